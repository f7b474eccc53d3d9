"""Doors to plans: what a rollout would mean, and which devices a release fits."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from edgewright.contract.api import FitRecord, MisfitPage, RolloutDraft, RolloutPlan
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


@post("/rollouts/plan/misfits", status_code=200, sync_to_thread=True)
def left_out(
    data: JSONBody[RolloutDraft],
    hub: TheHub,
    principal: Caller,
    after: FromQuery[str] = "",
    limit: FromQuery[int] = 200,
) -> MisfitPage:
    """Which devices of its group a rollout would give nothing, and why, page by page; nothing is started."""
    require(principal, Permission.READ)
    return hub.rollouts.planner.left_out(data, after=after, limit=limit)


@get("/releases/{model:str}/{counter:int}/misfits", sync_to_thread=True)
def misfits(
    model: FromPath[str],
    counter: FromPath[int],
    hub: TheHub,
    principal: Caller,
    group: FromQuery[str] = "",
    after: FromQuery[str] = "",
    limit: FromQuery[int] = 200,
) -> MisfitPage:
    """Which devices of a group, or of all, a release does not fit, and why, page by page."""
    require(principal, Permission.READ)
    return hub.rollouts.planner.misfits(model, counter, group, after=after, limit=limit)


ROUTES = [plan, left_out, fit, misfits]
"""Behind the gates."""
