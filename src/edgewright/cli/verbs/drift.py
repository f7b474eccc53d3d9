"""`edgewright drift`: what the fleet sees, against what the model learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import version_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import words
from edgewright.cli.output import Column, Json, say, say_next, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import DriftStatus, FeatureDrift, SegmentRecord

app = typer.Typer(no_args_is_help=True)

SHOWN_FEATURES = 3


@app.command("status")
def status(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only this model.")] = "", as_json: Json = False
) -> None:
    """Show which versions have drifted, and by which features."""
    with connect() as client:
        found = client.drift(model)
    columns: list[Column[DriftStatus]] = [
        ("VERSION", lambda one: f"{one.model}@{one.version}"),
        ("DRIFT", lambda one: "DRIFTING" if one.is_drifting else "none"),
        ("EVIDENCE>", lambda one: f"{one.evidence:.1f} of {one.threshold:.1f}"),
        ("ROWS>", lambda one: str(one.rows)),
        ("DEVICES>", lambda one: str(one.devices)),
        ("MOST CHANGED", lambda one: "\n".join(map(_feature, _strongest(one)))),
    ]
    empty = "Nothing has been observed yet: profiles arrive when devices infer and their windows close."
    show_table(found, columns, as_json=as_json, empty=empty)
    if as_json:
        return
    for alert in (alert for one in found for alert in one.alerts if alert.state.is_live):
        say(alert.message)
    for drifting in words({one.model for one in found if one.is_drifting}).split(", "):
        if drifting:
            say_next(f"edgewright data samples {drifting} --unlabelled")


@app.command("segments")
def segments(
    version: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits@3; digits means the newest.")],
    level: Annotated[str, typer.Option(help="Only of this level: version or cohort.")] = "",
    as_json: Json = False,
) -> None:
    """Show what each detector says of each segment."""
    with connect() as client:
        model, number = version_of(client, version)
        found = [one for one in client.segments(model, number) if level in ("", one.level)]
    columns: list[Column[SegmentRecord]] = [
        ("SEGMENT", lambda one: one.segment or str(one.level)),
        ("DETECTOR", lambda one: one.detector),
        ("EVIDENCE>", lambda one: f"{one.evidence:.1f} of {one.threshold:.1f}"),
        ("WATCHED>", lambda one: str(one.watched)),
        ("MOST CHANGED", lambda one: f"{one.feature} {one.effect:.3g} {one.measure}".strip()),
    ]
    show_table(found, columns, as_json=as_json, empty="Nothing is watched yet: profiles have to arrive first.")


def _strongest(status: DriftStatus) -> list[FeatureDrift]:
    return sorted(status.features, key=lambda feature: -feature.effect)[:SHOWN_FEATURES]


def _feature(feature: FeatureDrift) -> str:
    return f"{feature.feature} {feature.direction} {feature.effect:.2f}"
