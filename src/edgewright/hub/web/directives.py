"""Doors to directives: devices that are pinned, held back or forced."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from edgewright.contract.api import Directive, DirectiveDraft
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/directives", sync_to_thread=True)
def directives(
    hub: TheHub, principal: Caller, device: FromQuery[str] = "", model: FromQuery[str] = ""
) -> list[Directive]:
    """What people want of models on devices, the newest first."""
    require(principal, Permission.READ)
    return hub.directives.all(device, model)


@post("/devices/{device_id:str}/directives", status_code=200, sync_to_thread=True)
def give(
    device_id: FromPath[str],
    data: JSONBody[DirectiveDraft],
    hub: TheHub,
    principal: Caller,
    dry_run: DryRun = False,
) -> Directive:
    """Pin, hold back or force a model on a device."""
    require(principal, Permission.ROLL_OUT)
    return hub.directives.give(principal, device_id, data, dry_run)


@delete("/devices/{device_id:str}/directives/{model:str}", status_code=200, sync_to_thread=True)
def free(
    device_id: FromPath[str], model: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> Directive:
    """Take a directive back: rollouts reach the device again."""
    require(principal, Permission.ROLL_OUT)
    return hub.directives.free(principal, device_id, model, dry_run=dry_run)


ROUTES = [directives, give, free]
"""Behind the gates."""
