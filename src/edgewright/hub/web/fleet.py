"""Doors to devices, groups and rollouts."""

from __future__ import annotations

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import (
    ClaimDraft,
    ClaimReply,
    DeviceRecord,
    GroupDraft,
    GroupRecord,
    RolloutDraft,
    RolloutRecord,
)
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a person steps in."""

    reason: str = ""


@post("/claims", sync_to_thread=True)
def claim(data: JSONBody[ClaimDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> ClaimReply:
    """Make one-time tokens with which devices enrol."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.claim(principal, data, dry_run)


@get("/devices", sync_to_thread=True)
def devices(hub: TheHub, principal: Caller) -> list[DeviceRecord]:
    """Every device with what it runs and should run."""
    require(principal, Permission.READ)
    return hub.fleet.devices(hub.rollouts.desired())


@get("/devices/{device_id:str}", sync_to_thread=True)
def device(device_id: FromPath[str], hub: TheHub, principal: Caller) -> DeviceRecord:
    """One device."""
    require(principal, Permission.READ)
    return hub.fleet.device(device_id, hub.rollouts.desired())


@post("/devices/{device_id:str}/revoke", status_code=200, sync_to_thread=True)
def revoke(device_id: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> DeviceRecord:
    """Shut a device out at once."""
    require(principal, Permission.MANAGE_FLEET)
    return hub.fleet.device(device_id) if dry_run else hub.fleet.revoke(principal, device_id)


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


@post("/rollouts", sync_to_thread=True)
def start(data: JSONBody[RolloutDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RolloutRecord:
    """Start a rollout."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.start(principal, data, dry_run)


@get("/rollouts", sync_to_thread=True)
def rollouts(hub: TheHub, principal: Caller) -> list[RolloutRecord]:
    """All rollouts."""
    require(principal, Permission.READ)
    return hub.rollouts.rollouts()


@get("/rollouts/{rollout_id:str}", sync_to_thread=True)
def rollout(rollout_id: FromPath[str], hub: TheHub, principal: Caller) -> RolloutRecord:
    """One rollout with its waves and deployments."""
    require(principal, Permission.READ)
    return hub.rollouts.rollout(rollout_id)


@post("/rollouts/{rollout_id:str}/pause", status_code=200, sync_to_thread=True)
def pause(
    rollout_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RolloutRecord:
    """Offer nothing new until it is resumed."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.pause(principal, rollout_id, data.reason, dry_run)


@post("/rollouts/{rollout_id:str}/resume", status_code=200, sync_to_thread=True)
def resume(
    rollout_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RolloutRecord:
    """Go on with a paused rollout."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.resume(principal, rollout_id, data.reason, dry_run)


@post("/rollouts/{rollout_id:str}/abort", status_code=200, sync_to_thread=True)
def abort(
    rollout_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RolloutRecord:
    """Stop a rollout; its devices go back."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.abort(principal, rollout_id, data.reason, dry_run)


ROUTES = [claim, devices, device, revoke, create_group, groups, start, rollouts, rollout, pause, resume, abort]
