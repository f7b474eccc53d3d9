"""Doors to the pages of alerts: a list to filter, one with its explanation, and the form that deals with it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect

from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    AlertPage,
    AlertRecord,
    AlertState,
    Severity,
    Verdict,
)
from edgewright.contract.api import Reason as ReasonText
from edgewright.contract.errors import InvalidInput
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.observe.alerts import LIVE, Act, Wanted
from edgewright.hub.web.acting.alert_view import AlertsView, Asked, alert_view, alerts_view
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import PAGE_SIZE, InState, page
from edgewright.hub.web.forms import MAX_FORM_BYTES, may, refuse_foreign
from edgewright.hub.web.rendering import render

MAX_SKIP = 900
"""No more than 1,000 alerts are listed: who looks for others filters."""
DEEDS = {  # what the form's button says: what is done, and what the alert was
    "acknowledge": (Act.ACKNOWLEDGE, Verdict.UNKNOWN),
    "snooze": (Act.SNOOZE, Verdict.UNKNOWN),
    "reopen": (Act.REOPEN, Verdict.UNKNOWN),
    "true": (Act.RESOLVE, Verdict.TRUE),
    "false_alarm": (Act.RESOLVE, Verdict.FALSE_ALARM),
    "resolve": (Act.RESOLVE, Verdict.UNKNOWN),
}
COMMENT = "comment"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of an alert says."""

    do: str
    comment: ReasonText = ""
    hours: str = ""


Form = Annotated[Said, Body(media_type=RequestEncodingType.URL_ENCODED)]
Page = Response[Any]
Closed = TypeVar("Closed", bound=StrEnum)


def asked_for(
    model: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    level: FromQuery[str] = "",
    in_state: InState = "",
    severity: FromQuery[str] = "",
    skip: FromQuery[int] = 0,
) -> Asked:
    """What the address asks for."""
    return Asked(model, kind, level, in_state, severity, min(max(skip, 0), MAX_SKIP))


TheAsked = NamedDependency[Asked]
FILTER = {"asked": Provide(asked_for, sync_to_thread=False)}


@get("/alerts", media_type=MediaType.HTML, sync_to_thread=True, dependencies=FILTER)
def alerts_page(hub: TheHub, principal: Caller, asked: TheAsked) -> str:
    """Alerts, the newest first."""
    require(principal, Permission.READ)
    view = _view(hub, asked)
    return page("alerts.html", principal, "/alerts", view.data, view=view)


@get("/alerts/part", media_type=MediaType.HTML, sync_to_thread=True, dependencies=FILTER)
def alerts_part(hub: TheHub, principal: Caller, asked: TheAsked) -> str:
    """The list, as it is now."""
    require(principal, Permission.READ)
    return render("partials/alerts.html", view=_view(hub, asked))


@get("/alerts.json", sync_to_thread=True, dependencies=FILTER)
def alerts_data(hub: TheHub, principal: Caller, asked: TheAsked) -> list[AlertRecord]:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return _alerts(hub, asked)[:PAGE_SIZE]


@get("/alerts/{alert_id:str}", media_type=MediaType.HTML, sync_to_thread=True)
def alert_page(alert_id: FromPath[str], hub: TheHub, principal: Caller) -> str:
    """One alert."""
    require(principal, Permission.READ)
    view = alert_view(_alert(hub, alert_id), hub.clock())
    may_act = may(principal, Permission.HANDLE_ALERTS)
    return page("alert.html", principal, "/alerts", f"{view.path}/alert.json", view=view, may_act=may_act)


@get("/alerts/{alert_id:str}/part", media_type=MediaType.HTML, sync_to_thread=True)
def alert_part(alert_id: FromPath[str], hub: TheHub, principal: Caller) -> str:
    """One alert, as it is now."""
    require(principal, Permission.READ)
    return render("partials/alert.html", view=alert_view(_alert(hub, alert_id), hub.clock()))


@get("/alerts/{alert_id:str}/alert.json", sync_to_thread=True)
def alert_data(alert_id: FromPath[str], hub: TheHub, principal: Caller) -> AlertPage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return _alert(hub, alert_id)


@post("/alerts/{alert_id:str}", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def handle(
    alert_id: FromPath[str], request: Request[Any, Any, Any], data: Form, hub: TheHub, principal: Caller
) -> Page:
    """Acknowledge, snooze, open again, resolve or comment on an alert, and show it again."""
    refuse_foreign(request)
    require(principal, Permission.HANDLE_ALERTS)
    if data.do == COMMENT:
        hub.alerts.comment(principal, alert_id, data.comment)
    elif data.do in DEEDS:
        act, verdict = DEEDS[data.do]
        until = hub.clock() + _hours(data.hours) * 3600.0 if act is Act.SNOOZE else None
        hub.alerts.act(principal, alert_id, act, AlertEdit(comment=data.comment, until=until, verdict=verdict))
    else:
        raise InvalidInput("nothing like that is done with alerts", field="do")
    return Redirect(f"/alerts/{alert_id}", status_code=303)


def _view(hub: Hub, asked: Asked) -> AlertsView:
    found = _alerts(hub, asked)
    models = [model.name for model in hub.registry.models()]
    shown = found[:PAGE_SIZE]
    names = hub.fleet.names([one.segment for one in shown if one.level is AlertLevel.DEVICE])
    return alerts_view(asked, shown, len(found) > PAGE_SIZE, PAGE_SIZE, models, names, hub.clock())


def _alerts(hub: Hub, asked: Asked) -> list[AlertRecord]:
    """One page of them, and one more where there are more."""
    wanted = Wanted(
        model=asked.model,
        kinds=_one_of(AlertKind, asked.kind, "kind"),
        levels=_one_of(AlertLevel, asked.level, "level"),
        states={"": LIVE, "all": ()}.get(asked.state) or _one_of(AlertState, asked.state.replace("all", ""), "state"),
        least_severity=next(iter(_one_of(Severity, asked.severity, "severity")), Severity.INFO),
        limit=asked.skip + PAGE_SIZE + 1,
    )
    return hub.alerts.chosen(wanted)[asked.skip :]


def _alert(hub: Hub, id: str) -> AlertPage:
    record = hub.alerts.get(id)
    return AlertPage(alert=record, names=hub.fleet.names(record.devices), history=tuple(hub.audit.about(id)))


def _one_of(kind: type[Closed], word: str, field: str) -> tuple[Closed, ...]:
    """The word as one of a closed set; none for ''. Raises InvalidInput for any other."""
    if not word:
        return ()
    if word not in list(kind):
        hint = f"Choose from {', '.join(kind)}."
        raise InvalidInput(f"'{word[:40]}' is no {field} of an alert", field=field, hint=hint)
    return (kind(word),)


def _hours(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise InvalidInput("an alert is snoozed for a number of hours", field="hours")
    return int(text)


HANDLERS = (alerts_page, alerts_part, alerts_data, alert_page, alert_part, alert_data, handle)
