"""Doors to rollouts."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import RolloutDraft, RolloutRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, Reason, TheHub


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


ROUTES = [start, rollouts, rollout, pause, resume, abort]
