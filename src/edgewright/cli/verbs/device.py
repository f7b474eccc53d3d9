"""`edgewright device`: devices, what becomes of them, and the tokens that enrol them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import edit_of, labels_of, seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, counted, moment, pairs, size, words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.verbs.directives import add_to as add_directives

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import ClaimDraft, DeviceModel, DeviceRecord, DeviceState

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the device's history.")]
Expires = Annotated[str, typer.Option(help="How long they are good for: 15min, 1h, 2d.")]
Labels = Annotated[list[str] | None, typer.Option(help="A label of these devices: site=berlin; repeatable.")]
Hardware = Annotated[
    list[str] | None, typer.Option(help="Only boards of this architecture or hardware id; repeatable.")
]
Approval = Annotated[bool, typer.Option("--approval", help="A person approves each before it gets orders.")]


@app.command("claim")
def claim(
    count: Annotated[int, typer.Option(help="How many tokens.", min=1)] = 1,
    uses: Annotated[int, typer.Option(help="How many devices each enrols.", min=1)] = 1,
    label: Labels = None,
    hardware: Hardware = None,
    approval: Approval = False,
    expires: Expires = "1d",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make tokens that enrol devices.

    Each is shown once, and enrols one device unless --uses says more.
    """
    from edgewright.contract.api import ClaimDraft

    draft = ClaimDraft(
        count=count,
        uses=uses,
        labels=labels_of(label or []),
        hardware=tuple(hardware or ()),
        needs_approval=approval,
        expires_in_s=seconds_of(expires, "expires"),
    )
    _claim(draft, counted(count, "token"), dry_run, as_json)


@app.command("replace")
def replace(
    id: Id, approval: Approval = False, expires: Expires = "1d", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Make a token for a new board that takes a device's place.

    It gets the device's name, labels, groups and open work; the old one is retired then.
    """
    from edgewright.contract.api import ClaimDraft

    draft = ClaimDraft(replaces=id, needs_approval=approval, expires_in_s=seconds_of(expires, "expires"))
    _claim(draft, f"a token for the place of {id}", dry_run, as_json)


@app.command("ls")
def list_devices(
    selector: Annotated[str, typer.Option(help="Which: site=berlin,ram_mb>=2048; see the reference.")] = "",
    group: Annotated[str, typer.Option(help="Those of a group.")] = "",
    state: Annotated[str, typer.Option(help="waiting, active, quarantined, retired or revoked.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """List the devices, by name."""
    from itertools import islice

    with connect() as client:
        wanted = client.devices.each(selector=selector, group=group, state=_state(state))
        devices = list(islice(wanted, limit or None))
    now = time.time()
    columns: list[Column[DeviceRecord]] = [
        ("DEVICE", lambda one: one.id),
        ("NAME", lambda one: one.name),
        ("SEEN", lambda one: ago(one.last_seen_at, now) if one.state == "active" else one.state),
        ("MODELS", lambda one: "\n".join(map(_model, one.models))),
        ("LABELS", lambda one: pairs(one.labels)),
    ]
    is_filtered = bool(selector or group or state)
    empty = "No such devices." if is_filtered else "No devices yet. Enrol one: edgewright device claim"
    show_table(devices, columns, as_json=as_json, empty=empty)


@app.command("show")
def show(id: Id, as_json: Json = False) -> None:
    """Show a device."""
    with connect() as client:
        device = client.devices.get(id)
    now = time.time()
    facts: list[Column[DeviceRecord]] = [
        ("device", lambda one: one.id),
        ("name", lambda one: one.name),
        ("state", lambda one: f"{one.state}: {one.state_reason}" if one.state_reason else one.state),
        ("replaces", lambda one: one.replaces),
        ("labels", lambda one: pairs(one.labels)),
        ("hardware", lambda one: f"{one.arch}, {one.cores} cores, {size(one.ram_bytes)} RAM"),
        ("hardware ids", lambda one: words(one.hardware_ids)),
        ("disk", lambda one: f"{size(one.disk_free_bytes)} free" if one.disk_free_bytes else ""),
        ("runtimes", lambda one: words(f"{name} {version}" for name, version in one.runtimes.items())),
        ("computes with", lambda one: words(each for found in one.providers.values() for each in found)),
        ("accelerators", lambda one: words(one.accelerators)),
        ("link", lambda one: one.link_kind),
        ("time zone", lambda one: one.time_zone),
        ("agent", lambda one: one.agent_version),
        ("enrolled", lambda one: moment(one.enrolled_at)),
        ("seen", lambda one: ago(one.last_seen_at, now)),
        ("models", lambda one: "\n".join(map(_model, one.models))),
        ("backlog", lambda one: f"{one.backlog} records wait on the device" if one.backlog else ""),
    ]
    show_facts(device, facts, as_json=as_json)


@app.command("history")
def history(
    id: Id,
    limit: Annotated[int, typer.Option(help="How many entries.", min=1, max=200)] = 50,
    before: Annotated[str, typer.Option(help="The id of the entry to go on from.")] = "",
    as_json: Json = False,
) -> None:
    """Show what happened to a device, newest first."""
    with connect() as client:
        entries = client.devices.history(id, before=before, limit=limit)
    show_table(
        entries,
        [
            ("WHEN", lambda one: moment(one.at)),
            ("WHAT", lambda one: one.kind),
            ("BY", lambda one: "" if one.by == id else one.by),
            ("MORE", lambda one: one.what),
        ],
        as_json=as_json,
        empty="Nothing more is known of it.",
    )
    if len(entries) == limit and not as_json:
        say(f"older: edgewright device history {id} --before {entries[-1].id}")


@app.command("label")
def label(
    id: Id,
    edits: Annotated[list[str], typer.Argument(metavar="NAME=VALUE|NAME-…", help="Set a label, or take one off.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Change a device's labels.

    site=berlin sets one, line- takes one off.
    """
    with connect() as client:
        device = client.devices.label(id, edit_of(edits), dry_run=dry_run)
    if as_json:
        show_json(device)
    say_done(f"{device.name} has {pairs(device.labels) or 'no labels'}", dry_run=dry_run)


@app.command("approve")
def approve(id: Id, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let a device in that waits for a person."""
    _steer(lambda client: client.devices.approve(id, dry_run=dry_run), "gets orders from now on", dry_run, as_json)


@app.command("reject")
def reject(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Shut a device out that waits for a person."""
    _steer(lambda client: client.devices.reject(id, reason, dry_run=dry_run), "is shut out", dry_run, as_json)


@app.command("release")
def release(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let a device out of quarantine.

    Do so once its key is in one place again; else revoke it.
    """
    _steer(lambda client: client.devices.release(id, reason, dry_run=dry_run), "is let go on", dry_run, as_json)


@app.command("retire")
def retire(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Take a device out of service."""
    _steer(lambda client: client.devices.retire(id, reason, dry_run=dry_run), "is retired", dry_run, as_json)


@app.command("revoke")
def revoke(id: Id, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Shut a device out at once, for good."""
    _steer(lambda client: client.devices.revoke(id, reason, dry_run=dry_run), "is shut out", dry_run, as_json)


def _claim(draft: ClaimDraft, what: str, dry_run: bool, as_json: bool) -> None:
    with connect() as client:
        reply = client.devices.claim(draft, dry_run=dry_run)
        hub = client.url
    if as_json:
        show_json(reply)
    else:
        for token in reply.tokens:
            typer.echo(token)
    say_done(
        f"{what}, good until {moment(reply.expires_at)}",
        f"edgewright-agent run --dir DIR --hub {hub} --claim TOKEN",
        dry_run=dry_run,
    )


add_directives(app)


def _steer(act: Callable[[Client], DeviceRecord], done: str, dry_run: bool, as_json: bool) -> None:
    with connect() as client:
        device = act(client)
    if as_json:
        show_json(device)
    say_done(f"{device.name or device.id} {done}", dry_run=dry_run)


def _state(text: str) -> DeviceState | None:
    from edgewright.contract.api import DeviceState
    from edgewright.contract.errors import UsageError

    if text and text not in tuple(DeviceState):
        raise UsageError(f"'{text}' is no state of a device", field="state", hint=f"One of: {words(DeviceState)}.")
    return DeviceState(text) if text else None


def _model(model: DeviceModel) -> str:
    line = f"{model.model}@{model.version} ({model.model}/{model.counter}) {model.step}"
    if model.desired_counter and model.desired_counter != model.counter:
        line += f" -> {model.model}/{model.desired_counter}"
    if model.bad_counters:
        line += f", bad: {words(model.bad_counters)}"
    return line
