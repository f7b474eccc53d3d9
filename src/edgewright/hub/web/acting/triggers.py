"""Doors to the pages of triggers: all with their last decision, one with what it decided and why, and its form."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from edgewright.contract.api import FireDraft, TriggerPage, TriggerRecord
from edgewright.contract.api import Reason as ReasonText
from edgewright.contract.errors import InvalidInput
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.acting.trigger_view import TriggerView, trigger_view
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import PAGE_SIZE, InState, page
from edgewright.hub.web.forms import MAX_FORM_BYTES, may, refuse_foreign
from edgewright.hub.web.rendering import render

LAST = 3
"""Decisions that the list shows of each trigger."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a trigger says."""

    do: str
    why: ReasonText = ""


Form = Annotated[Said, Body(media_type=RequestEncodingType.URL_ENCODED)]
Page = Response[Any]


@get("/triggers", media_type=MediaType.HTML, sync_to_thread=True)
def triggers_page(hub: TheHub, principal: Caller) -> str:
    """All triggers, each with its last decisions."""
    require(principal, Permission.READ)
    return page("triggers.html", principal, "/triggers", "/triggers.json", views=_views(hub))


@get("/triggers/part", media_type=MediaType.HTML, sync_to_thread=True)
def triggers_part(hub: TheHub, principal: Caller) -> str:
    """The list, as it is now."""
    require(principal, Permission.READ)
    return render("partials/triggers.html", views=_views(hub))


@get("/triggers.json", sync_to_thread=True)
def triggers_data(hub: TheHub, principal: Caller) -> list[TriggerRecord]:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return hub.triggers.triggers()


@get("/triggers/{name:str}", media_type=MediaType.HTML, sync_to_thread=True)
def trigger_page(name: FromPath[str], hub: TheHub, principal: Caller, in_state: InState = "") -> str:
    """One trigger."""
    require(principal, Permission.READ)
    view = trigger_view(_trigger(hub, name, in_state), in_state, hub.clock())
    may_act = may(principal, Permission.TRAIN)
    return page("trigger.html", principal, "/triggers", f"{view.path}/trigger.json", view=view, may_act=may_act)


@get("/triggers/{name:str}/part", media_type=MediaType.HTML, sync_to_thread=True)
def trigger_part(name: FromPath[str], hub: TheHub, principal: Caller, in_state: InState = "") -> str:
    """One trigger, as it is now."""
    require(principal, Permission.READ)
    view = trigger_view(_trigger(hub, name, in_state), in_state, hub.clock())
    return render("partials/trigger.html", view=view)


@get("/triggers/{name:str}/trigger.json", sync_to_thread=True)
def trigger_data(name: FromPath[str], hub: TheHub, principal: Caller, in_state: InState = "") -> TriggerPage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return _trigger(hub, name, in_state)


@post("/triggers/{name:str}", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def steer(name: FromPath[str], request: Request[Any, Any, Any], data: Form, hub: TheHub, principal: Caller) -> Page:
    """Pause a trigger, let it go on, or fire it within its limits; and show what came of it."""
    refuse_foreign(request)
    require(principal, Permission.TRAIN)
    match data.do:
        case "fire":
            hub.triggers.fire(principal, name, FireDraft(why=data.why))
        case "pause" | "resume":
            hub.triggers.pause(principal, name, paused=data.do == "pause", why=data.why)
        case _:
            raise InvalidInput("nothing like that is done with triggers", field="do")
    return Redirect(f"/triggers/{name}", status_code=303)


def _views(hub: Hub) -> list[TriggerView]:
    now = hub.clock()
    found = [
        TriggerPage(trigger=one, history=tuple(hub.triggers.history(one.name, LAST))) for one in hub.triggers.triggers()
    ]
    return [trigger_view(one, "", now) for one in found]


def _trigger(hub: Hub, name: str, among: str) -> TriggerPage:
    history = hub.triggers.history(name, PAGE_SIZE, among)
    return TriggerPage(trigger=hub.triggers.trigger(name), history=tuple(history))


HANDLERS = (triggers_page, triggers_part, triggers_data, trigger_page, trigger_part, trigger_data, steer)
