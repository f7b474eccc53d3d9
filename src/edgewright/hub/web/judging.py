"""Doors to judging and leave: evaluations, policies of steps, and the one list of what waits for people."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from edgewright.contract.api import (
    ApprovalRecord,
    EvaluationDraft,
    EvaluationRecord,
    RunRecord,
    StepPolicy,
    StepPolicyRecord,
    VoteDraft,
)
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@post("/evaluations", sync_to_thread=True)
def evaluate(data: JSONBody[EvaluationDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RunRecord:
    """Judge a version against the champion, as a run."""
    require(principal, Permission.TRAIN)
    return hub.judging.start(principal, data, dry_run=dry_run)


@get("/models/{name:str}/evaluations", sync_to_thread=True)
def evaluations(
    name: FromPath[str], hub: TheHub, principal: Caller, challenger: FromQuery[int] = 0
) -> list[EvaluationRecord]:
    """Challengers against champions, oldest first."""
    require(principal, Permission.READ)
    hub.registry.model(name)
    return hub.judging.of(name, challenger)


@get("/models/{name:str}/policy", sync_to_thread=True)
def policy(name: FromPath[str], hub: TheHub, principal: Caller) -> StepPolicyRecord:
    """Which steps go on without a person."""
    require(principal, Permission.READ)
    return hub.policies.policy(name)


@post("/models/{name:str}/policy", sync_to_thread=True)
def put_policy(
    name: FromPath[str], data: JSONBody[StepPolicy], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> StepPolicyRecord:
    """Set it; one that lets more go on waits for approval."""
    require(principal, Permission.TRAIN)
    return hub.policies.put(principal, name, data, dry_run=dry_run)


@get("/approvals", sync_to_thread=True)
def approvals(
    hub: TheHub,
    principal: Caller,
    wanted: Annotated[str, QueryParameter(name="state")] = "",
    model: FromQuery[str] = "",
    approval: FromQuery[str] = "",
) -> list[ApprovalRecord]:
    """What waits for people, whichever kind, newest first."""
    require(principal, Permission.READ)
    return [hub.desk.approval(approval)] if approval else hub.desk.all(wanted, model)


@post("/approvals", status_code=200, sync_to_thread=True)
def vote(data: JSONBody[VoteDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> ApprovalRecord:
    """Approve or reject."""
    return hub.desk.vote(principal, data, dry_run=dry_run)


ROUTES = [evaluate, evaluations, policy, put_policy, approvals, vote]
