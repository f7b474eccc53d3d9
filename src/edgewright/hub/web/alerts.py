"""Doors to alerts, and to the routes by which they are told."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    AlertRecord,
    AlertState,
    RouteDraft,
    RouteRecord,
    RouteTest,
    Severity,
)
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require
from edgewright.hub.observe.alerts import Act, Wanted
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/alerts", sync_to_thread=True)
def alerts(
    hub: TheHub,
    principal: Caller,
    model: FromQuery[str] = "",
    kind: FromQuery[AlertKind | None] = None,
    level: FromQuery[AlertLevel | None] = None,
    in_state: Annotated[AlertState | None, QueryParameter(name="state")] = None,
    severity: FromQuery[Severity] = Severity.INFO,
    live: FromQuery[bool] = False,
    limit: FromQuery[int] = 200,
) -> list[AlertRecord]:
    """Alerts, newest first, by model, kind, level, state and least severity; `live` leaves out those resolved."""
    require(principal, Permission.READ)
    states = (in_state,) if in_state else tuple(one for one in AlertState if one.is_live or not live)
    wanted = Wanted(
        model=model,
        kinds=(kind,) if kind else (),
        levels=(level,) if level else (),
        states=states,
        least_severity=severity,
        limit=max(1, limit),
    )
    return hub.alerts.chosen(wanted)


@get("/alerts/{alert_id:str}", sync_to_thread=True)
def alert(alert_id: FromPath[str], hub: TheHub, principal: Caller) -> AlertRecord:
    """One alert, with what people wrote beside it and how often its detector is wrong."""
    require(principal, Permission.READ)
    return hub.alerts.get(alert_id)


@post("/alerts/{alert_id:str}/acknowledge", status_code=200, sync_to_thread=True)
def acknowledge(
    alert_id: FromPath[str], data: JSONBody[AlertEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> AlertRecord:
    """Say that somebody looks after it."""
    return _act(hub, principal, alert_id, Act.ACKNOWLEDGE, data, dry_run)


@post("/alerts/{alert_id:str}/snooze", status_code=200, sync_to_thread=True)
def snooze(
    alert_id: FromPath[str], data: JSONBody[AlertEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> AlertRecord:
    """Be quiet about it until `until`, and then tell it again."""
    return _act(hub, principal, alert_id, Act.SNOOZE, data, dry_run)


@post("/alerts/{alert_id:str}/reopen", status_code=200, sync_to_thread=True)
def reopen(
    alert_id: FromPath[str], data: JSONBody[AlertEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> AlertRecord:
    """Open one again that was acknowledged or snoozed."""
    return _act(hub, principal, alert_id, Act.REOPEN, data, dry_run)


@post("/alerts/{alert_id:str}/resolve", status_code=200, sync_to_thread=True)
def resolve(
    alert_id: FromPath[str], data: JSONBody[AlertEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> AlertRecord:
    """Settle it, as 'true' or as a 'false_alarm'; its detectors begin afresh."""
    return _act(hub, principal, alert_id, Act.RESOLVE, data, dry_run)


@post("/alerts/{alert_id:str}/comments", sync_to_thread=True)
def comment(
    alert_id: FromPath[str], data: JSONBody[AlertEdit], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> AlertRecord:
    """Write something beside it."""
    require(principal, Permission.HANDLE_ALERTS)
    return hub.alerts.comment(principal, alert_id, data.comment, dry_run=dry_run)


@get("/alert-routes", sync_to_thread=True)
def routes(hub: TheHub, principal: Caller) -> list[RouteRecord]:
    """Where alerts are told, and how that goes; secrets are never shown."""
    require(principal, Permission.READ)
    return list(hub.routes.list())


@post("/alert-routes", sync_to_thread=True)
def put_route(data: JSONBody[RouteDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RouteRecord:
    """Set where alerts are told."""
    require(principal, Permission.MANAGE_ROUTES)
    return hub.routes.put(principal, data, dry_run=dry_run)


@delete("/alert-routes/{name:str}", status_code=200, sync_to_thread=True)
def remove_route(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RouteRecord:
    """Tell nothing there any more."""
    require(principal, Permission.MANAGE_ROUTES)
    return hub.routes.remove(principal, name, dry_run=dry_run)


@post("/alert-routes/{name:str}/test", status_code=200, sync_to_thread=True)
def test_route(name: FromPath[str], hub: TheHub, principal: Caller) -> RouteTest:
    """Tell an alert there that is none, now and once."""
    require(principal, Permission.MANAGE_ROUTES)
    return hub.routes.test(principal, name)


def _act(hub: Hub, principal: Principal, id: str, act: Act, edit: AlertEdit, dry_run: bool) -> AlertRecord:
    require(principal, Permission.HANDLE_ALERTS)
    return hub.alerts.act(principal, id, act, edit, dry_run=dry_run)


ROUTES = [
    alerts,
    alert,
    acknowledge,
    snooze,
    reopen,
    resolve,
    comment,
    routes,
    put_route,
    remove_route,
    test_route,
]
