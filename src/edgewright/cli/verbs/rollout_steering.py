"""`edgewright rollout promote`, `rollback` and `deployments`: letting a wave go on, taking it back, who is where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import counted
from edgewright.cli.output import DryRun, Json, say_done, say_next, show_json, show_table
from edgewright.cli.verbs.waves import DEPLOYMENT_COLUMNS, REASON_COLUMNS

if TYPE_CHECKING:
    from edgewright.contract.api import RollbackRecord

Id = Annotated[str, typer.Argument(metavar="ROLLOUT", help="A rollout's id.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]


def promote(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let the next wave begin, whatever this one waits for."""
    with connect() as client:
        rollout = client.rollouts.promote(id, reason, dry_run=dry_run)
    if as_json:
        show_json(rollout)
    passed = sum(wave.state == "passed" for wave in rollout.waves)
    say_done(f"{passed} of {counted(len(rollout.waves), 'wave')} of {id} have passed", dry_run=dry_run)
    say_next(f"edgewright rollout watch {id}")


def rollback(
    id: Id,
    wave: Annotated[int | None, typer.Option(help="This wave alone; the rollout is paused.", min=1)] = None,
    to: Annotated[int | None, typer.Option(metavar="COUNTER", help="To this earlier release.", min=1)] = None,
    partly: Annotated[bool, typer.Option("--partly", help="Take back those that can, even if others cannot.")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take a rollout back, also after it is done.

    Its devices go back to what is in their spare slots; where that is not what is wanted, nothing is done.
    """
    from edgewright.contract.api import RollbackDraft

    draft = RollbackDraft(reason=reason, wave=wave or 0, to=to or 0, is_partly=partly)
    with connect() as client:
        record = client.rollouts.roll_back(id, draft, dry_run=dry_run)
    _show(record, as_json=as_json)
    say_done(f"{counted(record.devices, 'device')} of {id} go back", dry_run=dry_run)


def deployments(
    id: Id,
    state: Annotated[str, typer.Option(help="Only those: pending, admitted, offered, committed, failed …")] = "",
    wave: Annotated[int | None, typer.Option(help="Only those of this wave; 0: of none.", min=0)] = None,
    after: Annotated[str, typer.Option(help="Go on where a page has ended.")] = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 200,
    as_json: Json = False,
) -> None:
    """List the devices of a rollout, with where each one is."""
    with connect() as client:
        page = client.rollouts.deployments(id, state=state, wave=wave, after=after, limit=limit)
    if as_json:
        show_json(page)
        return
    show_table(page.deployments, DEPLOYMENT_COLUMNS, as_json=False, empty="No such devices.")
    if told := [one for one in page.deployments if one.reason]:
        show_table(told, REASON_COLUMNS, as_json=False, empty="")
    if page.after:
        say_next(f"edgewright rollout deployments {id} --after {page.after}")


def _show(record: RollbackRecord, *, as_json: bool) -> None:
    if as_json:
        show_json(record)
        return
    rows = [(device, "goes back at once") for device in record.at_once]
    rows += [(device, f"cannot: {why}") for device, why in record.reasons.items()]
    show_table(
        rows,
        [("DEVICE", lambda row: row[0]), ("WHAT", lambda row: row[1])],
        as_json=False,
        empty="No device has anything to give up.",
    )
    if record.stuck:
        typer.echo(record.hint, err=True)
