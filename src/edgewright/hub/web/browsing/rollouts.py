"""Doors to the pages of rollouts: the newest, and one with its waves, its gate's verdicts and its devices."""

from __future__ import annotations

import msgspec
from litestar import MediaType, get
from litestar.params import FromPath, FromQuery

from edgewright.contract.api import RolloutPage, RolloutRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import PAGE_SIZE, InState, page
from edgewright.hub.web.browsing.rollout_view import Wanted, WholeRollout, whole_rollout
from edgewright.hub.web.rendering import render
from edgewright.hub.web.views import rollout_view

NEWEST, MOST = 100, 200


@get("/rollouts", media_type=MediaType.HTML, sync_to_thread=True)
def rollouts_page(hub: TheHub, principal: Caller) -> str:
    """The newest rollouts, and live ones."""
    require(principal, Permission.READ)
    now, records = hub.clock(), hub.rollouts.newest(NEWEST, MOST)
    values = {"rollouts": [rollout_view(one, now) for one in records], "counts": hub.rollouts.counts()}
    return page("rollouts.html", principal, "/rollouts", "/rollouts.json", **values)


@get("/rollouts.json", sync_to_thread=True)
def rollouts_data(hub: TheHub, principal: Caller) -> list[RolloutRecord]:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return hub.rollouts.newest(NEWEST, MOST)


@get("/rollouts/{rollout_id:str}", media_type=MediaType.HTML, sync_to_thread=True)
def rollout_page(
    rollout_id: FromPath[str],
    hub: TheHub,
    principal: Caller,
    in_state: InState = "",
    wave: FromQuery[int] = 0,
    after: FromQuery[str] = "",
) -> str:
    """One rollout."""
    require(principal, Permission.READ)
    view = _view(hub, rollout_id, Wanted(in_state, wave, after))
    return page("rollout.html", principal, "/rollouts", f"{view.path}/rollout.json", view=view)


@get("/rollouts/{rollout_id:str}/part", media_type=MediaType.HTML, sync_to_thread=True)
def rollout_part(
    rollout_id: FromPath[str],
    hub: TheHub,
    principal: Caller,
    in_state: InState = "",
    wave: FromQuery[int] = 0,
    after: FromQuery[str] = "",
) -> str:
    """One rollout, as it is now."""
    require(principal, Permission.READ)
    return render("partials/rollout.html", view=_view(hub, rollout_id, Wanted(in_state, wave, after)))


@get("/rollouts/{rollout_id:str}/rollout.json", sync_to_thread=True)
def rollout_data(
    rollout_id: FromPath[str],
    hub: TheHub,
    principal: Caller,
    in_state: InState = "",
    wave: FromQuery[int] = 0,
    after: FromQuery[str] = "",
) -> RolloutPage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return _data(hub, rollout_id, Wanted(in_state, wave, after))


def _view(hub: Hub, id: str, wanted: Wanted) -> WholeRollout:
    return whole_rollout(_data(hub, id, wanted), wanted, hub.clock())


def _data(hub: Hub, id: str, wanted: Wanted) -> RolloutPage:
    record = hub.rollouts.rollout(id)
    wave = wanted.wave or None
    found = hub.rollouts.deployments(id, state=wanted.state, wave=wave, after=wanted.after, limit=PAGE_SIZE)
    return RolloutPage(
        rollout=msgspec.structs.replace(record, deployments=()),
        deployments=found,
        names=hub.fleet.names([one.device for one in found.deployments]),
        history=tuple(hub.audit.about(id)),
    )


HANDLERS = (rollouts_page, rollouts_data, rollout_page, rollout_part, rollout_data)
