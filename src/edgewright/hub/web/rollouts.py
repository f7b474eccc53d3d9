"""Doors to rollouts."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from edgewright.contract.api import DeploymentPage, RollbackDraft, RollbackRecord, RolloutDraft, RolloutRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, Reason, TheHub


@post("/rollouts", sync_to_thread=True)
def start(data: JSONBody[RolloutDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RolloutRecord:
    """Start a rollout."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.start(principal, data, dry_run)


@get("/rollouts", sync_to_thread=True)
def rollouts(hub: TheHub, principal: Caller) -> list[RolloutRecord]:
    """All rollouts, without their deployments."""
    require(principal, Permission.READ)
    return hub.rollouts.rollouts()


@get("/rollouts/{rollout_id:str}", sync_to_thread=True)
def rollout(rollout_id: FromPath[str], hub: TheHub, principal: Caller) -> RolloutRecord:
    """One rollout with its waves, and 200 of its deployments at most, the broken ones first."""
    require(principal, Permission.READ)
    return hub.rollouts.rollout(rollout_id)


@get("/rollouts/{rollout_id:str}/deployments", sync_to_thread=True)
def deployments(
    rollout_id: FromPath[str],
    hub: TheHub,
    principal: Caller,
    in_state: Annotated[str, QueryParameter(name="state")] = "",
    wave: FromQuery[int | None] = None,
    after: FromQuery[str] = "",
    limit: FromQuery[int] = 200,
) -> DeploymentPage:
    """Its deployments, page by page."""
    require(principal, Permission.READ)
    return hub.rollouts.deployments(rollout_id, state=in_state, wave=wave, after=after, limit=limit)


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


@post("/rollouts/{rollout_id:str}/promote", status_code=200, sync_to_thread=True)
def promote(
    rollout_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RolloutRecord:
    """Let the next wave begin, whatever the present one waits for."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.promote(principal, rollout_id, data.reason, dry_run)


@post("/rollouts/{rollout_id:str}/rollback", status_code=200, sync_to_thread=True)
def roll_back(
    rollout_id: FromPath[str], data: JSONBody[RollbackDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RollbackRecord:
    """Take a rollout or one of its waves back, also after it is done."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.roll_back(principal, rollout_id, data, dry_run)


@post("/rollouts/{rollout_id:str}/abort", status_code=200, sync_to_thread=True)
def abort(
    rollout_id: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RolloutRecord:
    """Stop a rollout; its devices go back."""
    require(principal, Permission.ROLL_OUT)
    return hub.rollouts.abort(principal, rollout_id, data.reason, dry_run)


ROUTES = [start, rollouts, rollout, deployments, pause, resume, promote, roll_back, abort]
