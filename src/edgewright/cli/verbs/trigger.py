"""`edgewright trigger`: what happens by itself when a model drifts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli.arguments import seconds_of, waves_of
from edgewright.cli.connection import connect, read_project
from edgewright.cli.formats import ago, duration, words
from edgewright.cli.output import Column, DryRun, Json, say_done, show_facts, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import TriggerDraft, TriggerRecord

app = typer.Typer(no_args_is_help=True)


@app.command("set")
def set_trigger(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="The model to keep good; the project's by default.")
    ] = "",
    project: Annotated[Path | None, typer.Option(help="The folder whose edgewright.toml says how.")] = None,
    samples_per_device: Annotated[int | None, typer.Option(help="How many samples to collect on each.", min=1)] = None,
    min_labels: Annotated[int | None, typer.Option(help="How many labels to wait for.", min=1)] = None,
    cooldown: Annotated[str, typer.Option(help="How long to rest between two: 1h.")] = "",
    max_runs: Annotated[int | None, typer.Option(help="How often at most.", min=1)] = None,
    group: Annotated[str, typer.Option(help="Where the repaired model goes once it is signed and approved.")] = "",
    waves: Annotated[str, typer.Option(help="In which waves: 1,3,8.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """On drift: collect samples, await labels, retrain, prepare a release."""
    import msgspec

    given: dict[str, Any] = {
        "samples_per_device": samples_per_device,
        "min_labels": min_labels,
        "cooldown_s": seconds_of(cooldown, "cooldown") if cooldown else None,
        "max_runs": max_runs,
        "rollout_group": group or None,
        "rollout_waves": waves_of(waves) if waves else None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    draft = msgspec.structs.replace(_draft(model, project), **chosen)
    with connect() as client:
        trigger = client.triggers.put(draft, dry_run=dry_run)
    show_facts(trigger, TRIGGER_FACTS, as_json=as_json)
    say_done(f"{trigger.model} is looked after", dry_run=dry_run)


@app.command("ls")
def list_triggers(as_json: Json = False) -> None:
    """List the triggers and their last decisions."""
    import time

    with connect() as client:
        triggers = client.triggers.list()
    now = time.time()
    columns: list[Column[TriggerRecord]] = [
        ("MODEL", lambda one: one.model),
        ("RUNS>", lambda one: f"{one.runs} of {one.draft.max_runs}"),
        ("FIRED", lambda one: ago(one.last_fired_at, now)),
        ("LAST DECISION", lambda one: one.last_decision),
        ("GOES TO", lambda one: one.draft.rollout_group),
    ]
    show_table(triggers, columns, as_json=as_json, empty="No triggers yet. Set one: edgewright trigger set MODEL")


def _draft(model: str, project: Path | None) -> TriggerDraft:
    from edgewright.contract.api import TriggerDraft
    from edgewright.contract.errors import UsageError

    if project is not None:
        draft = read_project(project).trigger()
        if model not in ("", draft.model):
            raise UsageError(f"the project's model is {draft.model}, not {model}", field="model")
        return draft
    if not model:
        raise UsageError("no model is named", field="model", hint="Name it, or its project: --project DIR.")
    return TriggerDraft(model=model)


def _destination(draft: TriggerDraft) -> str:
    if not draft.rollout_group:
        return "nobody: its release waits to be rolled out by hand"
    return f"{draft.rollout_group} in waves of {words(draft.rollout_waves, 'all')}"


TRIGGER_FACTS: list[Column[TriggerRecord]] = [
    ("model", lambda one: one.model),
    ("samples", lambda one: f"{one.draft.samples_per_device} on each device"),
    ("labels", lambda one: f"at least {one.draft.min_labels}"),
    ("cooldown", lambda one: duration(one.draft.cooldown_s)),
    ("at most", lambda one: f"{one.draft.max_runs} runs"),
    ("goes to", lambda one: _destination(one.draft)),
]
