"""`edgewright evaluation`: challengers against the champion, by group, and what the rules say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edgewright.cli.arguments import version_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import moment, size
from edgewright.cli.output import Column, DryRun, Json, say, say_done, say_next, show_facts, show_json, show_table
from edgewright.cli.progress import RunProgress
from edgewright.cli.verbs.optimize import NoWait
from edgewright.cli.verbs.run import check_done

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import (
        CostLine,
        EvaluationRecord,
        GroupGain,
        HoldoutEvaluation,
        MetricGain,
        RuleLine,
    )

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)

Version = Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits@3; digits means the newest.")]


@app.command("run")
def run(
    version: Version,
    against: Annotated[
        int | None, typer.Option(help="The champion's version, 0 for none; the newest release's by default.", min=0)
    ] = None,
    snapshot: Annotated[str, typer.Option(help="On whose hold-outs; by default on those it was trained with.")] = "",
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge a version by the rules of its project."""
    from edgewright.contract.api import EvaluationDraft

    with connect() as client:
        model, number = version_of(client, version)
        draft = EvaluationDraft(model=model, challenger=number, champion=against, snapshot=snapshot)
        started = client.evaluate(draft, dry_run=dry_run)
        if dry_run:
            say_done(f"{model}@{number} is judged on {started.result['snapshot']}", dry_run=True)
            return
        if no_wait:
            show_json(started) if as_json else say(f"{started.id} is queued")
            say_next(f"edgewright evaluation show {model}@{number}")
            return
        with RunProgress() as progress:
            (ended,) = client.runs.wait_all([started.id], progress)
        check_done((ended,))
        record = _newest(client, model, number)
    show_evaluation(record, as_json=as_json)


@app.command("ls")
def list_evaluations(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")], as_json: Json = False
) -> None:
    """List which versions were judged, and how."""
    with connect() as client:
        records = client.models.evaluations(model)
    columns: list[Column[EvaluationRecord]] = [
        ("VERSION", lambda one: f"{one.model}@{one.challenger}"),
        ("AGAINST", lambda one: f"@{one.champion}" if one.champion else "nobody"),
        ("PROMOTED", lambda one: one.verdict.outcome),
        ("WHY", lambda one: one.verdict.reason),
    ]
    show_table(records, columns, as_json=as_json, empty=f"Nothing of {model} was judged yet: edgewright evaluation run")


@app.command("show")
def show(version: Version, as_json: Json = False) -> None:
    """Show how a version was judged last: every metric, group and rule."""
    with connect() as client:
        record = _newest(client, *version_of(client, version))
    show_evaluation(record, as_json=as_json)


def show_evaluation(record: EvaluationRecord, *, as_json: bool) -> None:
    """What was measured, and what the rules made of it."""
    if as_json:
        show_json(record)
        return
    show_facts(record, FACTS, as_json=False)
    _show([(one, gain) for one in record.holdouts for gain in one.metrics], METRICS)
    _show([(one, group) for one in record.holdouts for group in one.groups], GROUPS)
    _show(record.costs, COSTS)
    _show(record.verdict.lines, RULES)


def _show(records: Sequence[T], columns: Sequence[Column[T]]) -> None:
    """One of several tables; nothing where it would be empty."""
    if records:
        typer.echo()
        show_table(records, columns, as_json=False, empty="")


def _newest(client: Client, model: str, number: int) -> EvaluationRecord:
    from edgewright.contract.errors import NotFound

    found = client.models.evaluations(model, number)
    if not found:
        hint = f"Judge it: edgewright evaluation run {model}@{number}"
        raise NotFound(f"{model}@{number} was not judged", field="version", hint=hint)
    return found[-1]


def _against(gain: MetricGain) -> str:
    return "" if gain.champion is None else f"{gain.champion:.3f}"


def _gain(gain: MetricGain) -> str:
    if gain.champion is None:
        return ""
    return f"{gain.gain:+.3f}" if gain.low is None else f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _times(now: float, before: float | None) -> str:
    return "" if not before else f"{now / before:.2f}"


FACTS: list[Column[EvaluationRecord]] = [
    ("version", lambda one: f"{one.model}@{one.challenger}"),
    ("against", lambda one: f"{one.model}@{one.champion}" if one.champion else "nobody"),
    ("promoted", lambda one: f"{one.verdict.outcome}: {one.verdict.reason}"),
    ("method", lambda one: "; ".join(sorted({f"{hold.method}, {hold.confidence:.1%}" for hold in one.holdouts}))),
    ("digest", lambda one: one.digest),
    ("when", lambda one: moment(one.created_at)),
]

METRICS: list[Column[tuple[HoldoutEvaluation, MetricGain]]] = [
    ("HOLD-OUT", lambda one: one[0].holdout.partition("/")[2]),
    ("METRIC", lambda one: one[1].metric),
    ("ROWS>", lambda one: str(one[0].rows)),
    ("CHAMPION>", lambda one: _against(one[1])),
    ("CHALLENGER>", lambda one: f"{one[1].challenger:.3f}"),
    ("GAIN", lambda one: _gain(one[1])),
]

GROUPS: list[Column[tuple[HoldoutEvaluation, GroupGain]]] = [
    ("GROUP", lambda one: f"{one[1].key} {one[1].name}"),
    ("HOLD-OUT", lambda one: one[0].holdout.partition("/")[2]),
    ("ROWS>", lambda one: f"{one[1].rows} (few)" if one[1].is_small else str(one[1].rows)),
    ("CHAMPION>", lambda one: _against(one[1].gain)),
    ("CHALLENGER>", lambda one: f"{one[1].gain.challenger:.3f}"),
    ("GAIN", lambda one: _gain(one[1].gain)),
]

COSTS: list[Column[CostLine]] = [
    ("TARGET", lambda one: one.target),
    ("P95>", lambda one: f"{one.latency_p95_ms:.3f} ms"),
    ("TIMES>", lambda one: _times(one.latency_p95_ms, one.champion_latency_p95_ms)),
    ("SIZE>", lambda one: size(one.size_bytes)),
    ("TIMES>", lambda one: _times(one.size_bytes, one.champion_size_bytes)),
    ("MEASURED ON", lambda one: one.where),
]

RULES: list[Column[RuleLine]] = [
    ("RULE", lambda one: one.rule),
    ("SAYS", lambda one: one.state),
    ("WHY", lambda one: one.reason),
]
