"""Doors to the labelling pages: what is to be labelled, one sample after the other, and the forms that label."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect

from edgewright.contract.api import LabelDraft, LabelProgress, LabelSource, SampleRecord
from edgewright.contract.errors import InvalidInput
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import link, page
from edgewright.hub.web.forms import MAX_FORM_BYTES, may, refuse_foreign
from edgewright.hub.web.labelling.desk import desk_of, input_of

MAX_SKIP = 100_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a sample says; an empty label takes back what was said."""

    sample: str
    label: str = ""
    skip: str = "0"
    disputed: str = ""


Form = Annotated[Said, Body(media_type=RequestEncodingType.URL_ENCODED)]
Page = Response[Any]


@get("/label", media_type=MediaType.HTML, sync_to_thread=True)
def models_page(hub: TheHub, principal: Caller) -> str:
    """Every model with samples, and how far their labelling is."""
    return page("labels.html", principal, "/label", "/label.json", models=_progress(hub, principal))


@get("/label.json", sync_to_thread=True)
def models_data(hub: TheHub, principal: Caller) -> list[LabelProgress]:
    """The list's JSON twin."""
    return _progress(hub, principal)


@get("/label/{model:str}", media_type=MediaType.HTML, sync_to_thread=True)
def desk_page(
    model: FromPath[str],
    hub: TheHub,
    principal: Caller,
    skip: FromQuery[int] = 0,
    undo: FromQuery[str] = "",
    sample: FromQuery[str] = "",
    disputed: FromQuery[bool] = False,
) -> str:
    """The next sample that waits, with the classes to choose from."""
    require(principal, Permission.READ)
    desk = desk_of(hub, model, min(max(skip, 0), MAX_SKIP), undo, sample, disputed)
    values = {"desk": desk, "may_label": may(principal, Permission.LABEL), "link": link}
    return page("label.html", principal, "/label", f"/label/{model}/label.json", **values)


@get("/label/{model:str}/label.json", sync_to_thread=True)
def desk_data(model: FromPath[str], hub: TheHub, principal: Caller) -> list[SampleRecord]:
    """The page's JSON twin: what waits."""
    require(principal, Permission.READ)
    return hub.data.samples(model, is_labelled=False)


@get("/label/{model:str}/input", sync_to_thread=True)
def shown_input(
    model: FromPath[str], hub: TheHub, principal: Caller, sample: FromQuery[str] = "", name: FromQuery[str] = ""
) -> Response[bytes]:
    """One input of a sample as a picture or a sound."""
    require(principal, Permission.READ)
    one = input_of(hub, model, sample, name)
    return Response(one.body, media_type=one.media)


@post("/label/{model:str}", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def say(model: FromPath[str], request: Request[Any, Any, Any], data: Form, hub: TheHub, principal: Caller) -> Page:
    """Label one sample and go on to the next, or take a label back and see its sample again."""
    refuse_foreign(request)
    require(principal, Permission.LABEL)
    number = _number(data.label)
    hub.data.label(principal, [LabelDraft(sample=data.sample, label=number)], source=LabelSource.PAGE)
    skip = int(data.skip) if data.skip.isdecimal() and len(data.skip) < 7 else 0
    named = {"undo": data.sample} if number is not None else {"sample": data.sample}
    return Redirect(link(f"/label/{model}", skip=skip, disputed=data.disputed, **named), status_code=303)


def _progress(hub: Hub, principal: Principal) -> list[LabelProgress]:
    require(principal, Permission.READ)
    found = (hub.data.progress(model.name) for model in hub.registry.models())
    return [one for one in found if one.samples]


def _number(label: str) -> int | None:
    if not label:
        return None
    if not label.isdecimal() or len(label) > 9:
        raise InvalidInput(f"'{label[:40]}' is the number of no class", field="label")
    return int(label)


HANDLERS = (models_page, models_data, desk_page, desk_data, shown_input, say)
