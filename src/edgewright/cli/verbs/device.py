"""`edgewright device`: devices and the tokens that enrol them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import labels_of, seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, counted, moment, pairs, size, words
from edgewright.cli.output import Column, DryRun, Json, say_done, show_facts, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import DeviceModel, DeviceRecord

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id.")]


@app.command("claim")
def claim(
    count: Annotated[int, typer.Option(help="How many tokens.", min=1)] = 1,
    label: Annotated[list[str] | None, typer.Option(help="A label of these devices: site=berlin; repeatable.")] = None,
    expires: Annotated[str, typer.Option(help="How long they are good for: 15min, 1h, 2d.")] = "1d",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make one-time tokens that enrol devices.

    Each enrols one device, and is shown once.
    """
    from edgewright.contract.api import ClaimDraft

    draft = ClaimDraft(count=count, labels=labels_of(label or []), expires_in_s=seconds_of(expires, "expires"))
    with connect() as client:
        reply = client.devices.claim(draft, dry_run=dry_run)
        hub = client.url
    if as_json:
        show_json(reply)
    else:
        for token in reply.tokens:
            typer.echo(token)
    say_done(
        f"{counted(count, 'token')}, good until {moment(reply.expires_at)}",
        f"edgewright-agent run --dir DIR --hub {hub} --claim TOKEN",
        dry_run=dry_run,
    )


@app.command("ls")
def list_devices(as_json: Json = False) -> None:
    """List the devices."""
    with connect() as client:
        devices = client.devices.list()
    now = time.time()
    columns: list[Column[DeviceRecord]] = [
        ("DEVICE", lambda one: one.id),
        ("NAME", lambda one: one.name),
        ("SEEN", lambda one: "revoked" if one.is_revoked else ago(one.last_seen_at, now)),
        ("MODELS", lambda one: "\n".join(map(_model, one.models))),
        ("LABELS", lambda one: pairs(one.labels)),
    ]
    empty = "No devices yet. Enrol one: edgewright device claim"
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
        ("state", lambda one: "revoked" if one.is_revoked else "enrolled"),
        ("labels", lambda one: pairs(one.labels)),
        ("hardware", lambda one: f"{one.arch}, {one.cores} cores, {size(one.ram_bytes)} RAM"),
        ("runtimes", lambda one: words(f"{name} {version}" for name, version in one.runtimes.items())),
        ("computes with", lambda one: words(each for found in one.providers.values() for each in found)),
        ("agent", lambda one: one.agent_version),
        ("enrolled", lambda one: moment(one.enrolled_at)),
        ("seen", lambda one: ago(one.last_seen_at, now)),
        ("models", lambda one: "\n".join(map(_model, one.models))),
        ("backlog", lambda one: f"{one.backlog} records wait on the device" if one.backlog else ""),
    ]
    show_facts(device, facts, as_json=as_json)


@app.command("revoke")
def revoke(id: Id, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Shut a device out at once."""
    with connect() as client:
        device = client.devices.revoke(id, dry_run=dry_run)
    if as_json:
        show_json(device)
    say_done(f"{device.name or device.id} is shut out", dry_run=dry_run)


def _model(model: DeviceModel) -> str:
    line = f"{model.model}@{model.version} ({model.model}/{model.counter}) {model.step}"
    if model.desired_counter and model.desired_counter != model.counter:
        line += f" -> {model.model}/{model.desired_counter}"
    if model.bad_counters:
        line += f", bad: {words(model.bad_counters)}"
    return line
