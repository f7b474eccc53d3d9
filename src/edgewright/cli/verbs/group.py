"""`edgewright group`: sets of devices."""

from __future__ import annotations

from typing import Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment
from edgewright.cli.output import DryRun, Json, say_done, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name.")],
    selector: Annotated[str, typer.Option(help="Labels that its devices have: site=berlin,line=1; or all.")] = "",
    device: Annotated[list[str] | None, typer.Option(help="A device's id; repeatable.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a group, by labels or by a list of devices."""
    from edgewright.contract.api import GroupDraft
    from edgewright.contract.errors import UsageError

    if bool(selector) == bool(device):
        raise UsageError(
            "a group is made by labels or by devices", field="selector", hint="Give --selector, or --device for each."
        )
    with connect() as client:
        draft = GroupDraft(name=name, selector=selector, devices=tuple(device or ()))
        group = client.groups.create(draft, dry_run=dry_run)
    if as_json:
        show_json(group)
    say_done(
        f"group {group.name} holds {counted(group.count, 'device')}",
        f"edgewright rollout start MODEL/COUNTER --group {group.name}",
        dry_run=dry_run,
    )


@app.command("ls")
def list_groups(as_json: Json = False) -> None:
    """List the groups."""
    with connect() as client:
        groups = client.groups.list()
    show_table(
        groups,
        [
            ("GROUP", lambda one: one.name),
            ("DEVICES>", lambda one: str(one.count)),
            ("SELECTOR", lambda one: one.selector or "by list"),
            ("SINCE", lambda one: moment(one.created_at)),
        ],
        as_json=as_json,
        empty="No groups yet. Make one of every device: edgewright group create all --selector all",
    )
