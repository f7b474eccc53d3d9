"""Doors to the pages of devices: a list to filter, and one device with its history."""

from __future__ import annotations

from litestar import MediaType, get
from litestar.params import FromPath, FromQuery

from edgewright.contract.api import DevicePage, DevicesPage, DeviceState
from edgewright.contract.errors import EdgewrightError, InvalidInput
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.device_view import Asked, device_view, devices_view
from edgewright.hub.web.browsing.frame import PAGE_SIZE, InState, page
from edgewright.hub.web.fleet import wanted
from edgewright.hub.web.observation import silence_s
from edgewright.hub.web.rendering import render

HISTORY_SIZE = 50


@get("/devices", media_type=MediaType.HTML, sync_to_thread=True)
def devices_page(
    hub: TheHub,
    principal: Caller,
    selector: FromQuery[str] = "",
    group: FromQuery[str] = "",
    in_state: InState = "",
    after: FromQuery[str] = "",
) -> str:
    """Devices by name; a filter that cannot be read is shown with the reason."""
    require(principal, Permission.READ)
    asked = Asked(selector, group, in_state, after)
    try:
        found, problem = _devices(hub, asked), None
    except EdgewrightError as error:
        found, problem = DevicesPage(devices=()), error
    view = devices_view(asked, found, problem, hub.clock(), silence_s(hub))
    groups = hub.fleet.groups()
    return page("devices.html", principal, "/devices", view.data, view=view, groups=groups)


@get("/devices/part", media_type=MediaType.HTML, sync_to_thread=True)
def devices_part(
    hub: TheHub, principal: Caller, in_state: InState = "", group: FromQuery[str] = "", after: FromQuery[str] = ""
) -> str:
    """The list, as it is now; one by a selector is not polled, since it may read the whole fleet."""
    require(principal, Permission.READ)
    asked = Asked("", group, in_state, after)
    view = devices_view(asked, _devices(hub, asked), None, hub.clock(), silence_s(hub))
    return render("partials/devices.html", view=view)


@get("/devices.json", sync_to_thread=True)
def devices_data(
    hub: TheHub,
    principal: Caller,
    selector: FromQuery[str] = "",
    group: FromQuery[str] = "",
    in_state: InState = "",
    after: FromQuery[str] = "",
) -> DevicesPage:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return _devices(hub, Asked(selector, group, in_state, after))


@get("/devices/{device_id:str}", media_type=MediaType.HTML, sync_to_thread=True)
def device_page(device_id: FromPath[str], hub: TheHub, principal: Caller, before: FromQuery[str] = "") -> str:
    """One device."""
    require(principal, Permission.READ)
    view = device_view(_device(hub, device_id, before), before, hub.clock(), silence_s(hub))
    return page("device.html", principal, "/devices", view.data, view=view)


@get("/devices/{device_id:str}/part", media_type=MediaType.HTML, sync_to_thread=True)
def device_part(device_id: FromPath[str], hub: TheHub, principal: Caller, before: FromQuery[str] = "") -> str:
    """One device, as it is now."""
    require(principal, Permission.READ)
    view = device_view(_device(hub, device_id, before), before, hub.clock(), silence_s(hub))
    return render("partials/device.html", view=view)


@get("/devices/{device_id:str}/device.json", sync_to_thread=True)
def device_data(device_id: FromPath[str], hub: TheHub, principal: Caller, before: FromQuery[str] = "") -> DevicePage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return _device(hub, device_id, before)


def page_of(hub: Hub, asked: Asked, state: DeviceState | None = None) -> DevicesPage:
    """Some devices, with where the next ones begin."""
    found = hub.fleet.page(
        after=asked.after, limit=PAGE_SIZE + 1, state=state, selector=asked.selector, group=asked.group
    )
    shown = wanted(hub, found[:PAGE_SIZE])
    return DevicesPage(devices=tuple(shown), after=shown[-1].id if len(found) > PAGE_SIZE else "")


def _devices(hub: Hub, asked: Asked) -> DevicesPage:
    if asked.state and asked.state not in tuple(DeviceState):
        hint = f"States are {', '.join(DeviceState)}."
        raise InvalidInput(f"'{asked.state[:40]}' is no state of a device", field="state", hint=hint)
    if asked.selector and asked.group:
        raise InvalidInput("a list is by selector or by group, not by both", field="selector")
    return page_of(hub, asked, DeviceState(asked.state) if asked.state else None)


def _device(hub: Hub, id: str, before: str) -> DevicePage:
    return DevicePage(
        device=wanted(hub, [hub.fleet.device(id)])[0],
        groups=tuple(hub.fleet.groups_of(id)),
        directives=tuple(hub.directives.all(id)),
        history=tuple(hub.fleet.history(id, before, HISTORY_SIZE)),
    )


HANDLERS = (devices_page, devices_part, devices_data, device_page, device_part, device_data)
