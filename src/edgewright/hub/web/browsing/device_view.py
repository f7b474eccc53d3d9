"""What the pages of devices show, prepared for their templates: pure functions from records to words."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.contract.api import (
    DeviceModel,
    DevicePage,
    DeviceRecord,
    DevicesPage,
    DeviceState,
    Directive,
    TimelineEntry,
)
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.web.browsing.frame import link
from edgewright.hub.web.views import Cell, Moment, cell, is_silent, moment
from edgewright.hub.web.wording import plural, size

MODELS_SHOWN = 4
COMMANDS = {  # what a person may do next, by state
    DeviceState.WAITING: (("Let it in", "device approve {id}"), ("Shut it out", "device reject {id} --reason WHY")),
    DeviceState.QUARANTINED: (
        ("Trust it again", "device release {id} --reason WHY"),
        ("Shut it out for good", "device revoke {id} --reason WHY"),
    ),
    DeviceState.ACTIVE: (
        ("Keep rollouts of a model away", "device hold {id} MODEL --reason WHY"),
        ("Take it out of service", "device retire {id} --reason WHY"),
        ("Give its place to another board", "device replace {id}"),
    ),
}


@dataclass(frozen=True)
class Asked:
    """Which devices a page lists: by selector, or by group, and in a state; from after a device on."""

    selector: str
    group: str
    state: str
    after: str

    def link(self, path: str, **other: str) -> str:
        """The same list elsewhere, or with something of it changed."""
        query = {"selector": self.selector, "group": self.group, "state": self.state, "after": self.after}
        return link(path, **(query | other))


@dataclass(frozen=True)
class Row:
    record: DeviceRecord
    seen: Moment | None
    state: str
    labels: tuple[str, ...]
    machine: str
    cells: tuple[tuple[str, Cell], ...]
    hidden: int  # models beyond those


@dataclass(frozen=True)
class DevicesView:
    """A list of devices. `states` are links to the lists of one state; `poll` is empty where nothing is polled."""

    asked: Asked
    rows: tuple[Row, ...]
    states: tuple[tuple[str, str, bool], ...]  # a word, where it leads, whether it is this one
    next: str
    first: str
    poll: str
    data: str
    problem: EdgewrightError | None


@dataclass(frozen=True)
class Event:
    record: TimelineEntry
    at: Moment
    words: str
    what: str


@dataclass(frozen=True)
class DeviceView:
    """One device. `facts` are what is known of it, by name; `commands` what a person may do next."""

    record: DeviceRecord
    row: Row
    enrolled: Moment
    facts: tuple[tuple[str, str], ...]
    models: tuple[tuple[DeviceModel, Cell], ...]
    groups: tuple[str, ...]
    directives: tuple[tuple[Directive, Moment], ...]
    history: tuple[Event, ...]
    older: str
    newest: str
    path: str
    poll: str
    data: str
    commands: tuple[tuple[str, str], ...]


def devices_view(
    asked: Asked, found: DevicesPage, problem: EdgewrightError | None, now: float, silence_s: float
) -> DevicesView:
    """A list, with the ways on from it."""
    path = f"/groups/{asked.group}" if asked.group else "/devices"
    states = [("all", asked.link("/devices", state="", after=""), not asked.state)]
    states += [
        (state.value, asked.link("/devices", state=state, after=""), asked.state == state) for state in DeviceState
    ]
    return DevicesView(
        asked=asked,
        rows=tuple(_row(device, now, silence_s) for device in found.devices),
        states=tuple(states),
        next=_page(asked, path, found.after) if found.after else "",
        first=_page(asked, path, "") if asked.after else "",
        poll="" if asked.selector or problem is not None else asked.link("/devices/part"),
        data=asked.link("/devices.json"),
        problem=problem,
    )


def device_view(found: DevicePage, before: str, now: float, silence_s: float) -> DeviceView:
    """One device with all that is known of it."""
    record, path = found.device, f"/devices/{found.device.id}"
    history = tuple(
        Event(one, moment(one.at, now), _kind(one.kind), one.what.removeprefix("reason ")) for one in found.history
    )
    return DeviceView(
        record=record,
        row=_row(record, now, silence_s),
        enrolled=moment(record.enrolled_at, now),
        facts=tuple((name, value) for name, value in _facts(record) if value),
        models=tuple((model, cell(model)) for model in record.models),
        groups=found.groups,
        directives=tuple((one, moment(one.at, now)) for one in found.directives),
        history=history,
        older=link(path, before=history[-1].record.id) if len(history) >= 50 else "",
        newest=path if before else "",
        path=path,
        poll=link(f"{path}/part", before=before),
        data=link(f"{path}/device.json", before=before),
        commands=tuple(
            (why, f"edgewright {told}".format(id=record.id)) for why, told in COMMANDS.get(record.state, ())
        ),
    )


def _page(asked: Asked, path: str, after: str) -> str:
    return link(path, after=after) if asked.group else asked.link(path, after=after)


def _row(device: DeviceRecord, now: float, silence_s: float) -> Row:
    seen_at = device.last_seen_at
    is_away = device.state is DeviceState.ACTIVE and is_silent(device, now, silence_s)
    return Row(
        record=device,
        seen=moment(seen_at, now) if seen_at else None,
        state="away" if is_away else device.state.value,
        labels=tuple(f"{name}={value}" for name, value in sorted(device.labels.items())),
        machine=f"{device.arch}, {plural(device.cores, 'core')}, {size(device.ram_bytes)}",
        cells=tuple((model.model, cell(model)) for model in device.models[:MODELS_SHOWN]),
        hidden=max(0, len(device.models) - MODELS_SHOWN),
    )


def _facts(device: DeviceRecord) -> list[tuple[str, str]]:
    runtimes = [f"{name} {version}{_providers(device, name)}" for name, version in sorted(device.runtimes.items())]
    return [
        ("Board", ", ".join(device.hardware_ids)),
        ("Processor", f"{device.arch}, {plural(device.cores, 'core')}"),
        ("Memory", size(device.ram_bytes)),
        ("Free disk", size(device.disk_free_bytes) if device.disk_free_bytes else ""),
        ("Accelerators", ", ".join(device.accelerators)),
        ("Runtimes", "; ".join(runtimes)),
        ("Link", device.link_kind),
        ("Time zone", device.time_zone),
        ("Agent", device.agent_version),
        ("Waiting records", f"{device.backlog:,}" if device.backlog else ""),
        ("Took the place of", device.replaces),
    ]


def _providers(device: DeviceRecord, runtime: str) -> str:
    names = [name.removesuffix("ExecutionProvider") for name in device.providers.get(runtime, ())]
    return f" ({', '.join(names)})" if names else ""


def _kind(kind: str) -> str:
    """'fleet.enrolled' as people say it."""
    return kind.partition(".")[2].replace("_", " ") or kind
