"""Doors to plans: what a rollout would mean, and which devices a release fits."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from edgewright.contract.api import FitRecord, RolloutDraft, RolloutPlan
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub


@post("/rollouts/plan", status_code=200, sync_to_thread=True)
def plan(data: JSONBody[RolloutDraft], hub: TheHub, principal: Caller) -> RolloutPlan:
    """What a rollout would mean; nothing is started."""
    require(principal, Permission.READ)
    return hub.rollouts.planner.forecast(data)


@get("/releases/{model:str}/{counter:int}/fit", sync_to_thread=True)
def fit(
    model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller, group: FromQuery[str] = ""
) -> FitRecord:
    """Which devices of a group, or of all, a release fits."""
    require(principal, Permission.READ)
    return hub.rollouts.planner.fit(model, counter, group)


ROUTES = [plan, fit]
"""Behind the gates."""
