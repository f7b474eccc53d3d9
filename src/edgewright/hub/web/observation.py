"""Doors to what the fleet shows: drift, alerts, usage, and everything at one glance."""

from __future__ import annotations

from litestar import get
from litestar.params import FromQuery

from edgewright import __version__
from edgewright.contract.api import AlertRecord, DriftStatus, Overview, UsageRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub

RUNS_SHOWN = 30
DETAILED = 20
"""The newest rollouts, which are shown with devices."""


@get("/drift", sync_to_thread=True)
def drift(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[DriftStatus]:
    """Drift by model and version."""
    require(principal, Permission.READ)
    return hub.observe.status(model)


@get("/alerts", sync_to_thread=True)
def alerts(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[AlertRecord]:
    """Alerts, newest first."""
    require(principal, Permission.READ)
    return hub.observe.alerts(model)


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
    """Everything the dashboard shows."""
    return Overview(
        at=hub.clock(),
        hub=f"Edgewright {__version__}",
        devices=tuple(hub.fleet.devices(hub.rollouts.desired())),
        models=tuple(hub.registry.models()),
        releases=tuple(hub.packaging.releases()),
        rollouts=tuple(hub.rollouts.rollouts(detailed=DETAILED)),
        drift=tuple(hub.observe.status()),
        runs=tuple(hub.jobs.runs(limit=RUNS_SHOWN)),
        audit_entries=hub.audit.count(),
        roles=tuple(hub.key_changes.roles()),
    )


ROUTES = [drift, alerts, usage, overview]
