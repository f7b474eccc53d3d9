"""`edgewright pipeline`: the steps from samples to a rolled-out version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli.connection import connect, read_project
from edgewright.cli.formats import words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, say_next, show_table
from edgewright.cli.progress import RunProgress
from edgewright.cli.verbs.optimize import NoWait
from edgewright.cli.verbs.run import check_done, show_run, show_steps

if TYPE_CHECKING:
    from edgewright.contract.api import StepDraft

app = typer.Typer(no_args_is_help=True)

ProjectDir = Annotated[Path, typer.Option("--project", help="The folder with edgewright.toml.")]


@app.command("check")
def check(project: ProjectDir = Path(), as_json: Json = False) -> None:
    """Check a project's pipeline at the hub, and store nothing."""
    plan = read_project(project)
    with connect() as client:
        draft = client.pipelines.put(plan, dry_run=True)
    show_table(draft.steps, STEPS, as_json=as_json, empty="No steps.")
    say_done(f"the pipeline of {draft.model} can run", dry_run=True)


@app.command("show")
def show(model: Annotated[str, typer.Argument(help="Whose pipeline.")], as_json: Json = False) -> None:
    """Show the steps that the hub keeps for a model."""
    with connect() as client:
        draft = client.pipelines.get(model)
    show_table(draft.steps, STEPS, as_json=as_json, empty=f"{draft.model} has the usual steps.")


@app.command("run")
def run(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="Run what the hub keeps for it; else the project's, stored first.")
    ] = "",
    project: ProjectDir = Path(),
    snapshot: Annotated[str, typer.Option(help="Learn from this one: nothing is collected.")] = "",
    champion: Annotated[int, typer.Option(help="The version to start from and to beat.", min=0)] = 0,
    from_step: Annotated[str, typer.Option("--from", help="Take the steps before this one from earlier runs.")] = "",
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Do every step anew.")] = False,
    param: Annotated[list[str] | None, typer.Option(help="Another value for a step: train.epochs=3.")] = None,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run a pipeline; what an earlier run did alike is used again."""
    from edgewright.contract.api import Overrides

    overrides = Overrides(
        snapshot=snapshot, champion=champion, from_step=from_step, use_cache=not no_cache, params=_params(param or ())
    )
    with connect() as client:
        if not model:
            plan = read_project(project)
            client.pipelines.put(plan, dry_run=dry_run)
            model = plan.model
        begun = client.pipelines.run(model, overrides, dry_run=dry_run)
        if dry_run:
            say_done(f"{model} goes through {' → '.join(begun.result['steps'])}", dry_run=True)
            return
        say(f"{begun.id} is queued")
        if no_wait:
            if as_json:
                show_run(begun, as_json=True)
            say_next(f"edgewright run show {begun.id} --follow")
            return
        with RunProgress(with_log=True) as progress:
            (ended,) = client.runs.wait_all([begun.id], progress)
        steps = client.runs.steps(begun.id)
    show_run(ended, as_json=as_json)
    if not as_json:
        show_steps(steps)
    check_done((ended,))


def _params(said: Sequence[str]) -> dict[str, dict[str, Any]]:
    """'step.name=value' by step and name; a value that is no JSON is text. Raises UsageError."""
    import msgspec

    from edgewright.contract.errors import UsageError

    found: dict[str, dict[str, Any]] = {}
    for one in said:
        where, equals, text = one.partition("=")
        step, dot, name = where.partition(".")
        if not (equals and dot and step and name):
            raise UsageError(f"'{one}' sets no parameter", field="--param", hint="As in --param train.epochs=3")
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = text
        found.setdefault(step, {})[name] = value
    return found


def _place(step: StepDraft) -> str:
    labels = ",".join(f"{name}={value}" for name, value in sorted(step.where.labels.items()))
    return labels or str(step.where.kind)


STEPS: list[Column[StepDraft]] = [
    ("STEP", lambda one: one.name),
    ("DOES", lambda one: one.does),
    ("BY", lambda one: one.command or one.function or "built in"),
    ("NEEDS", lambda one: "the one before" if one.needs is None else words(one.needs, "nothing")),
    ("LEAVES", lambda one: words(one.outputs, "")),
    ("WHERE", _place),
]
