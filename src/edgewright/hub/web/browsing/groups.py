"""Doors to the pages of groups: all of them, and one with its members and why a device is in it or not."""

from __future__ import annotations

from litestar import MediaType, get
from litestar.params import FromPath, FromQuery

from edgewright.contract.api import GroupPage, GroupRecord, Membership
from edgewright.contract.errors import EdgewrightError, NotFound
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.device_view import Asked, devices_view
from edgewright.hub.web.browsing.devices import page_of
from edgewright.hub.web.browsing.frame import page
from edgewright.hub.web.observation import silence_s


@get("/groups", media_type=MediaType.HTML, sync_to_thread=True)
def groups_page(hub: TheHub, principal: Caller) -> str:
    """All groups with their counts of now."""
    require(principal, Permission.READ)
    return page("groups.html", principal, "/groups", "/groups.json", groups=hub.fleet.groups())


@get("/groups.json", sync_to_thread=True)
def groups_data(hub: TheHub, principal: Caller) -> list[GroupRecord]:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return hub.fleet.groups()


@get("/groups/{name:str}", media_type=MediaType.HTML, sync_to_thread=True)
def group_page(
    name: FromPath[str], hub: TheHub, principal: Caller, why: FromQuery[str] = "", after: FromQuery[str] = ""
) -> str:
    """One group; a device that is asked for and that there is not is told beside the form."""
    require(principal, Permission.READ)
    problem, found = None, _group(hub, name, after)
    membership: Membership | None = None
    try:
        membership = _why(hub, name, why)
    except EdgewrightError as error:
        problem = error
    members = devices_view(Asked("", name, "", after), found.members, None, hub.clock(), silence_s(hub))
    values = {"group": found.group, "members": members, "why": why.strip(), "asked": membership, "problem": problem}
    return page("group.html", principal, "/groups", f"/groups/{name}/group.json", **values)


@get("/groups/{name:str}/group.json", sync_to_thread=True)
def group_data(
    name: FromPath[str], hub: TheHub, principal: Caller, why: FromQuery[str] = "", after: FromQuery[str] = ""
) -> GroupPage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    found = _group(hub, name, after)
    return GroupPage(group=found.group, members=found.members, asked=_why(hub, name, why))


def _group(hub: Hub, name: str, after: str) -> GroupPage:
    group = next((one for one in hub.fleet.groups() if one.name == name), None)
    if group is None:
        raise NotFound(f"there is no group '{name}'", field="group", hint="`edgewright group ls` lists them.")
    return GroupPage(group=group, members=page_of(hub, Asked("", name, "", after)))


def _why(hub: Hub, name: str, device: str) -> Membership | None:
    """Whether a device, by its id, is a member; None where nobody asks."""
    return hub.fleet.why(name, device.strip()) if device.strip() else None


HANDLERS = (groups_page, groups_data, group_page, group_data)
