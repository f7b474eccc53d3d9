"""Doors to devices, groups and the tokens with which devices enrol."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from edgewright.contract.api import (
    ClaimDraft,
    ClaimReply,
    DeviceRecord,
    DeviceState,
    GroupDraft,
    GroupEdit,
    GroupRecord,
    LabelEdit,
    Membership,
    TimelineEntry,
)
from edgewright.hub.app import Hub
from edgewright.hub.fleet import MAX_PAGE, with_desired
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, Reason, TheHub

HISTORY_PAGE = 50


@post("/claims", sync_to_thread=True)
def claim(data: JSONBody[ClaimDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> ClaimReply:
    """Make tokens with which devices enrol, or with which a board takes a device's place."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.claim(principal, data, dry_run)


@get("/devices", sync_to_thread=True)
def devices(
    hub: TheHub,
    principal: Caller,
    selector: FromQuery[str] = "",
    group: FromQuery[str] = "",
    in_state: Annotated[DeviceState | None, QueryParameter(name="state")] = None,
    after: FromQuery[str] = "",
    limit: FromQuery[int] = MAX_PAGE,
) -> list[DeviceRecord]:
    """A page of devices by name, with what they run and should run: those after a device, of a group, a state."""
    require(principal, Permission.READ)
    page = hub.fleet.page(after=after, limit=limit, state=in_state, selector=selector, group=group)
    return wanted(hub, page)


@get("/devices/{device_id:str}", sync_to_thread=True)
def device(device_id: FromPath[str], hub: TheHub, principal: Caller) -> DeviceRecord:
    """One device."""
    require(principal, Permission.READ)
    return wanted(hub, [hub.fleet.device(device_id)])[0]


@get("/devices/{device_id:str}/history", sync_to_thread=True)
def history(
    device_id: FromPath[str],
    hub: TheHub,
    principal: Caller,
    before: FromQuery[str] = "",
    limit: FromQuery[int] = HISTORY_PAGE,
) -> list[TimelineEntry]:
    """What happened to a device, newest first; with `before` what happened before that entry."""
    require(principal, Permission.READ)
    return hub.fleet.history(device_id, before, limit)


@post("/devices/{device_id:str}/labels", status_code=200, sync_to_thread=True)
def label(
    device_id: FromPath[str], data: JSONBody[LabelEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> DeviceRecord:
    """Set and take off labels of a device."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.label(principal, device_id, data, dry_run)


@post("/devices/{device_id:str}/approve", status_code=200, sync_to_thread=True)
def approve(device_id: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> DeviceRecord:
    """Let a device in whose first contact waits for a person."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.approve(principal, device_id, dry_run)


@post("/devices/{device_id:str}/reject", status_code=200, sync_to_thread=True)
def reject(
    device_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> DeviceRecord:
    """Shut a device out whose first contact waits for a person."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.reject(principal, device_id, data.reason, dry_run)


@post("/devices/{device_id:str}/release", status_code=200, sync_to_thread=True)
def release(
    device_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> DeviceRecord:
    """Let a device out of quarantine."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.release(principal, device_id, data.reason, dry_run)


@post("/devices/{device_id:str}/retire", status_code=200, sync_to_thread=True)
def retire(
    device_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> DeviceRecord:
    """Take a device out of service."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.retire(principal, device_id, data.reason, dry_run)


@post("/devices/{device_id:str}/revoke", status_code=200, sync_to_thread=True)
def revoke(
    device_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> DeviceRecord:
    """Shut a device out at once."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.revoke(principal, device_id, data.reason, dry_run)


@post("/groups", sync_to_thread=True)
def create_group(data: JSONBody[GroupDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> GroupRecord:
    """Name a set of devices."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.create_group(principal, data, dry_run)


@get("/groups", sync_to_thread=True)
def groups(hub: TheHub, principal: Caller) -> list[GroupRecord]:
    """All groups with their live counts."""
    require(principal, Permission.READ)
    return hub.fleet.groups()


@get("/groups/{name:str}", sync_to_thread=True)
def group(name: FromPath[str], hub: TheHub, principal: Caller) -> GroupRecord:
    """One group with the first of its members."""
    require(principal, Permission.READ)
    return hub.fleet.group(name)


@post("/groups/{name:str}", status_code=200, sync_to_thread=True)
def edit_group(
    name: FromPath[str], data: JSONBody[GroupEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> GroupRecord:
    """Change a group; live rollouts keep the devices that they began with."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.edit_group(principal, name, data, dry_run)


@delete("/groups/{name:str}", status_code=200, sync_to_thread=True)
def remove_group(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> GroupRecord:
    """Remove a group; its devices, and live rollouts, stay as they are."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.remove_group(principal, name, dry_run)


@get("/groups/{name:str}/why/{device_id:str}", sync_to_thread=True)
def why(name: FromPath[str], device_id: FromPath[str], hub: TheHub, principal: Caller) -> Membership:
    """Whether a device is in a group, and why: each term, and what was found."""
    require(principal, Permission.READ)
    return hub.fleet.why(name, device_id)


def wanted(hub: Hub, page: list[DeviceRecord]) -> list[DeviceRecord]:
    """Devices with what they should run beside what they run."""
    desired = hub.rollouts.desired([one.id for one in page])
    return [with_desired(one, desired.get(one.id, {})) for one in page]


ROUTES = [
    *(claim, devices, device, history, label),
    *(approve, reject, release, retire, revoke),
    *(create_group, groups, group, edit_group, remove_group, why),
]
