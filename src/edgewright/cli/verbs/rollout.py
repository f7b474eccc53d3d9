"""`edgewright rollout`: releases delivered in waves, each passed by a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import moment
from edgewright.cli.output import DryRun, Json, refuse, say, say_done, say_next, show_json, show_table
from edgewright.cli.verbs.rollout_gates import gates
from edgewright.cli.verbs.rollout_options import Options, with_options
from edgewright.cli.verbs.rollout_plan import Release, plan
from edgewright.cli.verbs.rollout_steering import deployments, promote, rollback
from edgewright.cli.verbs.waves import show_rollout, show_watched

if TYPE_CHECKING:
    from edgewright.contract.api import RolloutRecord

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ROLLOUT", help="A rollout's id.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]


app.command("plan")(plan)
app.command("gates")(gates)


@app.command("start")
@with_options
def start(release: Release = "", dry_run: DryRun = False, as_json: Json = False, *, options: Options) -> None:
    """Deliver a release to a group, wave by wave."""
    draft = options.draft(release)
    with connect() as client:
        rollout = client.rollouts.start(draft, dry_run=dry_run)
    show_rollout(rollout, as_json=as_json)
    done = f"{draft.release} goes to {draft.group} as {rollout.id}"
    say_done(done, f"edgewright rollout watch {rollout.id}", dry_run=dry_run)


@app.command("watch")
def watch(id: Id, as_json: Json = False) -> None:
    """Follow a rollout to its end.

    With --json there is one line of JSON for every change.
    """
    with connect() as client:
        rollout = show_watched(client.rollouts.watch(id), as_json=as_json)
    if rollout.state != "done":
        refuse(
            f"{rollout.release} was {rollout.state}: {rollout.reason or 'no reason is given'}",
            field=f"rollout {id}",
            hint=f"See which devices: edgewright rollout show {id}",
        )
    say(f"{rollout.release} is on every device of {rollout.group}")


@app.command("show")
def show(id: Id, as_json: Json = False) -> None:
    """Show a rollout, its waves and its devices."""
    with connect() as client:
        rollout = client.rollouts.get(id)
    show_rollout(rollout, as_json=as_json, with_devices=True)


app.command("deployments")(deployments)


@app.command("ls")
def list_rollouts(as_json: Json = False) -> None:
    """List the rollouts."""
    with connect() as client:
        rollouts = client.rollouts.list()
    show_table(
        rollouts,
        [
            ("ROLLOUT", lambda one: one.id),
            ("RELEASE", lambda one: one.release),
            ("GROUP", lambda one: one.group),
            ("STATE", lambda one: one.state),
            ("WAVES", lambda one: f"{sum(wave.state == 'passed' for wave in one.waves)} of {len(one.waves)}"),
            ("STARTED", lambda one: moment(one.created_at)),
        ],
        as_json=as_json,
        empty="No rollouts yet. Start one: edgewright rollout start MODEL/COUNTER --group GROUP --waves 1,3,8",
    )


@app.command("pause")
def pause(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let no further device begin."""
    with connect() as client:
        rollout = client.rollouts.pause(id, reason, dry_run=dry_run)
    _show_told(rollout, "paused", dry_run=dry_run, as_json=as_json)
    say_next(f"edgewright rollout resume {id}", f"edgewright rollout abort {id}")


@app.command("resume")
def resume(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Go on after a pause."""
    with connect() as client:
        rollout = client.rollouts.resume(id, reason, dry_run=dry_run)
    _show_told(rollout, "running", dry_run=dry_run, as_json=as_json)
    say_next(f"edgewright rollout watch {id}")


app.command("promote")(promote)


@app.command("abort")
def abort(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """End a rollout, and take its devices back."""
    with connect() as client:
        rollout = client.rollouts.abort(id, reason, dry_run=dry_run)
    _show_told(rollout, "aborted", dry_run=dry_run, as_json=as_json)


app.command("rollback")(rollback)


def _show_told(rollout: RolloutRecord, state: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show_json(rollout)
    say_done(f"rollout {rollout.id} is {state if dry_run else rollout.state}", dry_run=dry_run)
