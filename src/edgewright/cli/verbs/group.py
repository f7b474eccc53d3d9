"""`edgewright group`: sets of devices."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, duration, moment, pairs
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import GroupRecord

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A group's name.")]
By = Annotated[str, typer.Option(help="Which devices: site=berlin,ram_mb>=2048; or all.")]
Device = Annotated[list[str] | None, typer.Option(help="A device's id; repeatable.")]
Poll = Annotated[str, typer.Option(help="How often its devices check in: 30s, 5min; 0 as the hub's settings say.")]

EITHER = "a group is made by a selector or by devices"


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name.")],
    selector: By = "",
    device: Device = None,
    poll: Poll = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a group, by a selector or by a list of devices."""
    from edgewright.contract.api import GroupDraft
    from edgewright.contract.errors import UsageError

    if bool(selector) == bool(device):
        raise UsageError(EITHER, field="selector", hint="Give --selector, or --device for each.")
    poll_s = seconds_of(poll, "poll") if poll else 0.0
    draft = GroupDraft(name=name, selector=selector, devices=tuple(device or ()), poll_s=poll_s or None)
    with connect() as client:
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


@app.command("show")
def show(
    name: Name,
    limit: Annotated[int, typer.Option(help="How many members; 0 for all.", min=0)] = 20,
    as_json: Json = False,
) -> None:
    """Show a group and its members."""
    with connect() as client:
        group = client.groups.get(name)
        members = list(islice(client.devices.each(group=name, page=min(limit or 1000, 1000)), limit or None))
    facts: list[Column[GroupRecord]] = [
        ("group", lambda one: one.name),
        ("selector", lambda one: one.selector or "by list"),
        ("check in", lambda one: f"every {duration(one.poll_s)}" if one.poll_s else ""),
        ("since", lambda one: moment(one.created_at)),
        ("devices", lambda one: str(one.count)),
    ]
    show_facts(group, facts, as_json=as_json)
    if as_json:
        return
    show_table(
        members,
        [("DEVICE", lambda one: one.id), ("NAME", lambda one: one.name), ("LABELS", lambda one: pairs(one.labels))],
        as_json=False,
        empty="No device is in it. Why not? edgewright group why GROUP DEVICE",
    )
    if len(members) < group.count:
        say(f"and {group.count - len(members)} more: edgewright device ls --group {name}")


@app.command("set")
def set_group(
    name: Name,
    selector: By = "",
    device: Device = None,
    poll: Poll = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Change a group. Rollouts that run keep the devices that they began with."""
    from edgewright.contract.api import GroupEdit
    from edgewright.contract.errors import UsageError

    if not (selector or device or poll):
        raise UsageError("nothing shall change", field="selector", hint="Give --selector, --device or --poll.")
    edit = GroupEdit(
        selector=selector or None,
        devices=tuple(device) if device else None,
        poll_s=seconds_of(poll, "poll") if poll else None,
    )
    with connect() as client:
        group = client.groups.edit(name, edit, dry_run=dry_run)
    if as_json:
        show_json(group)
    say_done(f"group {group.name} holds {counted(group.count, 'device')}", dry_run=dry_run)


@app.command("rm")
def remove(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove a group. Its devices stay, and so do rollouts that run."""
    with connect() as client:
        group = client.groups.remove(name, dry_run=dry_run)
    if as_json:
        show_json(group)
    say_done(f"group {group.name} is gone; its devices stay as they are", dry_run=dry_run)


@app.command("why")
def why(
    name: Name,
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id.")],
    as_json: Json = False,
) -> None:
    """Say whether a device is in a group, and why."""
    with connect() as client:
        membership = client.groups.why(name, device)
    if as_json:
        show_json(membership)
        return
    typer.echo(f"{device} is {'' if membership.is_member else 'not '}in {name}: {membership.reason}")
    if membership.terms:
        show_table(
            membership.terms,
            [
                ("TERM", lambda one: one.term),
                ("HOLDS", lambda one: "yes" if one.holds else "no"),
                ("FOUND", lambda one: one.found),
            ],
            as_json=False,
            empty="",
        )
