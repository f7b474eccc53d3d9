"""Doors to the page of approvals: the one list of what waits for people, and the form that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from litestar.response import Redirect

from edgewright.contract.api import ApprovalRecord, ApprovalState, VoteDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import PAGE_SIZE, InState, link, page
from edgewright.hub.web.forms import MAX_FORM_BYTES, refuse_foreign
from edgewright.hub.web.views import Moment, moment

EVERY = "all"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of an approval says; `digest` is what was looked at."""

    approval: str
    digest: str
    answer: str
    why: str = ""


@dataclass(frozen=True)
class Item:
    """One approval. `may_answer` says whether who looks may answer it now."""

    record: ApprovalRecord
    asked: Moment
    may_answer: bool


Form = Annotated[Said, Body(media_type=RequestEncodingType.URL_ENCODED)]
Page = Response[Any]


@get("/approvals", media_type=MediaType.HTML, sync_to_thread=True)
def approvals_page(
    hub: TheHub, principal: Caller, in_state: InState = "", model: FromQuery[str] = "", skip: FromQuery[int] = 0
) -> str:
    """What waits for people, whichever room asks, the newest first."""
    require(principal, Permission.READ)
    found, start, now = _approvals(hub, in_state, model), max(skip, 0), hub.clock()
    items = [
        Item(one, moment(one.asked_at, now), one.state is ApprovalState.OPEN and principal.name in one.may)
        for one in found[start : start + PAGE_SIZE]
    ]
    words = [("waiting", ""), *((str(one), str(one)) for one in ApprovalState if one != "open"), (EVERY, EVERY)]
    values = {
        "items": items,
        "states": [(word, link("/approvals", state=state, model=model), in_state == state) for word, state in words],
        "first": link("/approvals", state=in_state, model=model) if start else "",
        "next": link("/approvals", state=in_state, model=model, skip=start + PAGE_SIZE)
        if len(found) > start + PAGE_SIZE
        else "",
    }
    data = link("/approvals.json", state=in_state, model=model)
    return page("approvals.html", principal, "/approvals", data, is_waiting=not in_state, **values)


@get("/approvals.json", sync_to_thread=True)
def approvals_data(
    hub: TheHub, principal: Caller, in_state: InState = "", model: FromQuery[str] = ""
) -> list[ApprovalRecord]:
    """The list's JSON twin, in one piece."""
    require(principal, Permission.READ)
    return _approvals(hub, in_state, model)


@post("/approvals", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def answer(request: Request[Any, Any, Any], data: Form, hub: TheHub, principal: Caller) -> Page:
    """Approve or reject what was looked at, and show what still waits."""
    refuse_foreign(request)
    if data.answer not in ("approve", "reject"):
        raise InvalidInput("an approval is given or refused", field="answer")
    if not data.digest:
        raise InvalidInput("a form says what was looked at", field="digest")
    vote = VoteDraft(approval=data.approval, is_yes=data.answer == "approve", digest=data.digest, why=data.why.strip())
    hub.desk.vote(principal, vote)
    return Redirect("/approvals", status_code=303)


def _approvals(hub: Hub, state: str, model: str) -> list[ApprovalRecord]:
    """Those in a state: '' stands for what waits."""
    if state not in ("", EVERY, *ApprovalState):
        hint = f"Choose from {', '.join(ApprovalState)}, {EVERY}."
        raise InvalidInput(f"'{state[:40]}' is no state of an approval", field="state", hint=hint)
    return hub.desk.all("" if state == EVERY else state or ApprovalState.OPEN, model)


HANDLERS = (approvals_page, approvals_data, answer)
