"""`edgewright run`: durable work at the hub."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, details, duration, moment, share
from edgewright.cli.output import Column, DryRun, Json, refuse, say_done, show_facts, show_table
from edgewright.cli.progress import RunProgress

if TYPE_CHECKING:
    from edgewright.contract.api import RunRecord, StepRecord

app = typer.Typer(no_args_is_help=True)


@app.command("ls")
def list_runs(
    kind: Annotated[str, typer.Option(help="Only this kind: pipeline, train, …")] = "",
    subject: Annotated[str, typer.Option(help="Only this subject, as the table shows it.")] = "",
    as_json: Json = False,
) -> None:
    """List the runs."""
    with connect() as client:
        runs = client.runs.list(kind, subject)
    now = time.time()
    show_table(
        runs,
        [
            ("RUN", lambda one: one.id),
            ("SUBJECT", lambda one: one.subject),
            ("STATE", lambda one: one.state),
            ("DONE>", lambda one: share(one.fraction)),
            ("STEP", lambda one: one.step),
            ("STARTED", lambda one: ago(one.started_at, now)),
        ],
        as_json=as_json,
        empty="No runs yet. Start one: edgewright train",
    )


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Show a run with its log, and a pipeline's with its steps."""
    with connect() as client:
        run = client.runs.get(id)
        if follow:
            with RunProgress(with_log=True) as progress:
                (run,) = client.runs.wait_all([id], progress)
        steps = client.runs.steps(id)
    show_run(run, as_json=as_json)
    if as_json:
        return
    show_steps(steps)
    if run.log and not follow:
        typer.echo(run.log)


@app.command("cancel")
def cancel(
    id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """End a run at its next step."""
    with connect() as client:
        run = client.runs.cancel(id, dry_run=dry_run)
    show_run(run, as_json=as_json)
    say_done(f"{id} is cancelled", dry_run=dry_run)


def show_run(run: RunRecord, *, as_json: bool) -> None:
    """One run, without its log."""
    show_facts(run, RUN_FACTS, as_json=as_json)


def show_steps(steps: Sequence[StepRecord]) -> None:
    """What came of each step of a pipeline's run; nothing of any other run."""
    if steps:
        show_table(steps, STEPS, as_json=False, empty="")


def check_done(runs: Sequence[RunRecord]) -> None:
    """End with exit code 1 where a run did not reach its end."""
    failed = [run for run in runs if run.state != "done"]
    if failed:
        first = failed[0]
        refuse(
            f"{first.kind} {first.subject} {first.state}: {first.error or first.step or 'no reason is given'}",
            field=f"run {first.id}",
            hint=f"See its log: edgewright run show {first.id}",
        )


def _told(step: StepRecord) -> str:
    if step.reused_from:
        return f"as in {step.reused_from}"
    return step.note


def _took(step: StepRecord) -> str:
    if step.started_at is None or step.ended_at is None or step.reused_from:
        return ""
    return duration(step.ended_at - step.started_at)


STEPS: list[Column[StepRecord]] = [
    ("STEP", lambda one: one.name),
    ("STATE", lambda one: one.state),
    ("TOOK>", _took),
    ("WHERE", lambda one: one.where),
    ("", _told),
]
RUN_FACTS: list[Column[RunRecord]] = [
    ("run", lambda one: one.id),
    ("kind", lambda one: one.kind),
    ("subject", lambda one: one.subject),
    ("state", lambda one: one.state if one.state == "done" else f"{one.state} {one.step}".rstrip()),
    ("done", lambda one: share(one.fraction)),
    ("why", lambda one: one.why),
    ("error", lambda one: one.error),
    ("result", lambda one: details(one.result)),
    ("started", lambda one: moment(one.started_at)),
    ("took", lambda one: duration(one.ended_at - one.started_at) if one.ended_at else ""),
]
