"""`edgewright alert`: what detectors have found, and what people make of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import seconds_of, word_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, moment, words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.verbs import alert_route

if TYPE_CHECKING:
    from edgewright.contract.api import AlertRecord, DetectorRecord

app = typer.Typer(no_args_is_help=True)
app.add_typer(alert_route.app, name="route", help="Where alerts are told: webhooks, letters, Alertmanagers.")

Id = Annotated[str, typer.Argument(metavar="ALERT", help="An alert's id.")]
Comment = Annotated[str, typer.Option(help="What others should know.")]


@app.command("ls")
def list_alerts(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only of this model.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind: data_drift, bias, latency …")] = "",
    level: Annotated[str, typer.Option(help="Only of this level: device, cohort, version or fleet.")] = "",
    severity: Annotated[str, typer.Option(help="At least so bad: info, warning or critical.")] = "info",
    everything: Annotated[bool, typer.Option("--all", help="Those that are resolved too.")] = False,
    as_json: Json = False,
) -> None:
    """List the alerts that are not resolved, newest first."""
    from edgewright.contract.api import AlertKind, AlertLevel, Severity

    with connect() as client:
        found = client.alerts.list(
            model,
            kind=word_of(AlertKind, kind, "kind") if kind else None,
            level=word_of(AlertLevel, level, "level") if level else None,
            severity=word_of(Severity, severity, "severity"),
            live=not everything,
        )
    now = time.time()
    columns: list[Column[AlertRecord]] = [
        ("ALERT", lambda one: one.id),
        ("STATE", lambda one: str(one.state)),
        ("SEVERITY", lambda one: str(one.severity)),
        ("SINCE", lambda one: ago(one.since, now)),
        ("WHAT", lambda one: one.message),
    ]
    show_table(found, columns, as_json=as_json, empty="No alerts: nothing that is watched has changed.")


@app.command("show")
def show(id: Id, as_json: Json = False) -> None:
    """Explain an alert.

    What, since when, how much, in which features, on which devices, compared with what; and how often its detector is
    wrong.
    """
    with connect() as client:
        found = client.alerts.get(id)
    show_facts(found, FACTS, as_json=as_json)
    if as_json:
        return
    for one in found.comments:
        say(f"{moment(one.at)} {one.author}: {one.text}")


@app.command("ack")
def acknowledge(id: Id, comment: Comment = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Say that somebody looks after an alert."""
    with connect() as client:
        found = client.alerts.acknowledge(id, comment, dry_run=dry_run)
    _tell(found, f"{id} is acknowledged", dry_run, as_json)


@app.command("snooze")
def snooze(
    id: Id,
    span: Annotated[str, typer.Argument(metavar="FOR", help="How long: 8h, 3d; at most 90d.")],
    comment: Comment = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Be quiet about an alert for a while; then it is told again."""
    until = time.time() + seconds_of(span, "for")
    with connect() as client:
        found = client.alerts.snooze(id, until, comment, dry_run=dry_run)
    _tell(found, f"{id} sleeps until {moment(until)}", dry_run, as_json)


@app.command("reopen")
def reopen(id: Id, comment: Comment = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Open an alert again that was acknowledged or snoozed."""
    with connect() as client:
        found = client.alerts.reopen(id, comment, dry_run=dry_run)
    _tell(found, f"{id} is open", dry_run, as_json)


@app.command("resolve")
def resolve(
    id: Id,
    was: Annotated[str, typer.Option(help="What it was: true, or false-alarm. Detectors are counted by it.")] = "",
    comment: Comment = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Settle an alert; what it watched is watched afresh."""
    from edgewright.contract.api import Verdict

    verdict = word_of(Verdict, was.replace("-", "_"), "was") if was else Verdict.UNKNOWN
    with connect() as client:
        found = client.alerts.resolve(id, verdict, comment, dry_run=dry_run)
    _tell(found, f"{id} is resolved", dry_run, as_json)


@app.command("comment")
def comment(
    id: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What others should know.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write something beside an alert."""
    with connect() as client:
        found = client.alerts.comment(id, text, dry_run=dry_run)
    _tell(found, f"{id} has {len(found.comments)} comments", dry_run, as_json)


def _tell(found: AlertRecord, done: str, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show_json(found)
    say_done(done, dry_run=dry_run)


def _features(one: AlertRecord) -> str:
    return "\n".join(f"{part.feature} {part.direction} {part.effect:.2f}" for part in one.features)


def _state(one: AlertRecord) -> str:
    by = f" by {one.state_by}" if one.state_by else ""
    until = f" until {moment(one.snoozed_until)}" if one.snoozed_until else ""
    was = f" as {one.verdict.replace('_', ' ')}" if one.verdict else ""
    return f"{one.state}{was}{until}{by}, {moment(one.state_at)}"


def _wrong(track: DetectorRecord | None) -> str:
    if track is None:
        return ""
    said = track.true + track.false_alarms
    found = f"{track.false_alarms} of {said} that people judged" if said else "nobody has judged one of this model yet"
    design = f"; designed for one in {track.designed_days:g} days a version" if track.designed_days else ""
    return found + design


FACTS: list[Column[AlertRecord]] = [
    ("alert", lambda one: one.id),
    ("what", lambda one: one.message),
    ("state", _state),
    ("severity", lambda one: str(one.severity)),
    ("kind", lambda one: f"{one.kind}, found by {one.detector}"),
    ("where", lambda one: f"{one.level} {one.segment}".strip()),
    ("since", lambda one: moment(one.since)),
    ("how much", lambda one: f"{one.effect:.3g} {one.measure}, after {one.rows} rows"),
    ("features", _features),
    ("devices", lambda one: words(one.devices)),
    ("also in", lambda one: words(one.folded)),
    ("compared with", lambda one: one.compared_with),
    ("wrong alarms", lambda one: _wrong(one.track)),
]
