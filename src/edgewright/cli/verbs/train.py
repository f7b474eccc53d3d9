"""`edgewright train`: a new version by the project's own training command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect, read_project
from edgewright.cli.output import DryRun, Json, say, say_done, say_next, show_json
from edgewright.cli.progress import RunProgress
from edgewright.cli.verbs.optimize import NoWait
from edgewright.cli.verbs.run import check_done, show_run

if TYPE_CHECKING:
    from edgewright.client import Client, Project


def train(
    project: Annotated[Path, typer.Option(help="The folder with edgewright.toml.")] = Path(),
    snapshot: Annotated[str, typer.Option(help="What to learn from; the dataset's newest by default.")] = "",
    parent: Annotated[int, typer.Option(help="The version to go on from; 0 for none.", min=0)] = 0,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a new version by the project's command.

    The project's code and pipeline go to the hub, which trains there and registers what comes out.
    """
    from edgewright.contract.api import TrainDraft

    plan = read_project(project)
    with connect() as client:
        client.pipelines.put(plan, dry_run=dry_run)
        if dry_run:
            _check_there(client, plan, snapshot, parent)
            say_done(f"{plan.model} is trained by `{plan.train.command}`", dry_run=True)
            return
        run = client.train(TrainDraft(model=plan.model, snapshot=snapshot, parent=parent))
        if no_wait:
            show_json(run) if as_json else say(f"{run.id} is queued")
            say_next(f"edgewright run show {run.id}")
            return
        with RunProgress(with_log=True) as progress:
            (ended,) = client.runs.wait_all([run.id], progress)
    show_run(ended, as_json=as_json)
    check_done((ended,))
    version = f"{plan.model}@{ended.result.get('version', '')}"
    targets = " ".join(f"--target {target}" for target in plan.optimize.targets) or "--target TARGET"
    say_next(f"edgewright optimize run {version} {targets}")


def _check_there(client: Client, plan: Project, snapshot: str, parent: int) -> None:
    """Raise what the hub would: a snapshot or a parent that is not there."""
    from edgewright.contract.errors import NotFound

    dataset = plan.data.dataset
    if snapshot:
        client.snapshots.get(snapshot)
    elif not client.snapshots.list(dataset):
        hint = f"Freeze a folder first: `edgewright data snapshot {dataset} FOLDER`."
        raise NotFound(f"there is no snapshot '{dataset}'", field="snapshot", hint=hint)
    if parent:
        client.models.version(plan.model, parent)
