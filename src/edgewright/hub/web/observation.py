"""Doors to what the fleet shows: drift, alerts, usage, and everything at one glance."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath, FromQuery

from edgewright import __version__
from edgewright.contract.api import DriftStatus, Overview, SegmentRecord, UsageRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web import views
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.devices import DEFAULT_POLL_S
from edgewright.hub.web.fleet import wanted

RUNS_SHOWN = 30
DEVICES_SHOWN = 100
NEWEST_ROLLOUTS, ROLLOUTS_SHOWN = 20, 100


@get("/drift", sync_to_thread=True)
def drift(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[DriftStatus]:
    """Drift by model and version."""
    require(principal, Permission.READ)
    return hub.observe.status(model)


@get("/drift/{model:str}/{version:int}/segments", sync_to_thread=True)
def segments(model: FromPath[str], version: FromPath[int], hub: TheHub, principal: Caller) -> list[SegmentRecord]:
    """What each detector says of each segment of a version."""
    require(principal, Permission.READ)
    return hub.observe.segments(model, version)


@get("/usage", sync_to_thread=True)
def usage(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[UsageRecord]:
    """Windows and rows by device and version."""
    require(principal, Permission.READ)
    return hub.observe.usage(model)


@get("/overview", sync_to_thread=True)
def overview(hub: TheHub, principal: Caller) -> Overview:
    """The dashboard's JSON twin."""
    require(principal, Permission.READ)
    return overview_of(hub)


def overview_of(hub: Hub) -> Overview:
    """Everything the dashboard shows: what it costs hardly grows with the fleet, and not with rollouts that ended."""
    now = hub.clock()
    counts, devices = hub.fleet.roll_call(now, silence_s(hub), DEVICES_SHOWN)
    return Overview(
        at=now,
        hub=f"Edgewright {__version__}",
        fleet=counts,
        devices=tuple(wanted(hub, devices)),
        models=tuple(hub.registry.models()),
        releases=tuple(hub.packaging.releases()),
        rollouts=tuple(hub.rollouts.newest(NEWEST_ROLLOUTS, ROLLOUTS_SHOWN)),
        rollout_counts=hub.rollouts.counts(),
        drift=tuple(hub.observe.status()),
        runs=tuple(hub.jobs.runs(limit=RUNS_SHOWN)),
        audit_entries=hub.audit.count(),
        judged=tuple(hub.judging.newest()),
        approvals=hub.desk.waiting(),
        roles=tuple(hub.key_changes.roles()),
    )


def silence_s(hub: Hub) -> float:
    """How long a device may be silent before pages call it away."""
    return views.away_after_s(hub.settings.poll_s or DEFAULT_POLL_S)


ROUTES = [drift, segments, usage, overview]
