"""The page of a version's studies, the part of it that is polled, and the same as data."""

from __future__ import annotations

from litestar import MediaType, get
from litestar.params import FromPath

from edgewright.contract.api import StudyRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import page
from edgewright.hub.web.rendering import render
from edgewright.hub.web.studying.views import StudiesView, studies_view

PATH = "/models/{name:str}/{number:int}/optimize"


@get(PATH, media_type=MediaType.HTML, sync_to_thread=True)
def version_page(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> str:
    """What was tried to make a version fit each kind of hardware."""
    require(principal, Permission.READ)
    view = _view(hub, name, number)
    return page("optimize.html", principal, "", f"{view.path}.json", view=view)


@get(f"{PATH}/part", media_type=MediaType.HTML, sync_to_thread=True)
def part(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> str:
    """The studies, as they are now."""
    require(principal, Permission.READ)
    return render("partials/studies.html", view=_view(hub, name, number))


@get(f"{PATH}.json", sync_to_thread=True)
def data(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> list[StudyRecord]:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return hub.optimize.studies(name, number)


def _view(hub: Hub, name: str, number: int) -> StudiesView:
    return studies_view(hub.registry.version(name, number), hub.optimize.studies(name, number), hub.clock())


HANDLERS = (version_page, part, data)
