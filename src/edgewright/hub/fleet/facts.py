"""What plans need to know of many devices at once: compact facts, in which equal machines are one object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.contract.report import ModelState
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import IN_SERVICE, Seen

T = TypeVar("T")

AT_ONCE = 2000  # rows


class Machine(msgspec.Struct, frozen=True, gc=False):
    """A capability class: what fits one device of it fits all."""

    arch: str
    cores: int
    ram_bytes: int
    hardware_ids: tuple[str, ...]
    runtimes: dict[str, str]
    providers: dict[str, tuple[str, ...]]
    accelerators: tuple[str, ...] = ()

    @property
    def hardware(self) -> str:
        """The hardware class whose measurements are comparable: the board's own name, or else arch and cores."""
        return hardware_class(self.arch, self.cores, self.hardware_ids)


class DeviceFacts(msgspec.Struct, frozen=True, gc=False):
    """One device as plans see it. `machine` is one object for all devices of its capability class."""

    id: str
    name: str
    labels: dict[str, str]
    machine: Machine
    models: tuple[ModelState, ...]
    seen_at: float | None
    link_kind: str = ""
    time_zone: str = ""
    state: DeviceState = DeviceState.ACTIVE
    disk_free_bytes: int = 0
    agent_version: str = ""
    poll_s: float | None = None  # how often it was told to check in; None: as it is set itself

    @property
    def arch(self) -> str:
        """Of its machine."""
        return self.machine.arch

    @property
    def ram_bytes(self) -> int:
        """Of its machine."""
        return self.machine.ram_bytes

    @property
    def hardware_ids(self) -> tuple[str, ...]:
        """Of its machine."""
        return self.machine.hardware_ids

    @property
    def runtimes(self) -> dict[str, str]:
        """Of its machine."""
        return self.machine.runtimes

    @property
    def providers(self) -> dict[str, tuple[str, ...]]:
        """Of its machine."""
        return self.machine.providers

    def counter(self, model: str) -> int:
        """The release of `model` that it runs; 0 for none."""
        for state in self.models:  # quicker than next() on a generator, for fleets
            if state.model == model:
                return state.counter
        return 0

    def running(self, model: str) -> str:
        """The digest of the manifest of the package of `model` that it runs; '' for none."""
        return next((state.manifest_sha256 for state in self.models if state.model == model), "")


def hardware_class(arch: str, cores: int, hardware_ids: Collection[str]) -> str:
    """Which devices take as long for the same model: those of one board; where it has no name, of one make."""
    return next(iter(hardware_ids), "") or f"{arch}, {cores} cores"


def read_facts(
    db: Database,
    newest: Callable[[str, Seen], Seen],
    models: Collection[str],
    which: Sequence[sa.ColumnElement[bool]] = (),
    states: Collection[DeviceState] = IN_SERVICE,
    first: int | None = None,
) -> list[DeviceFacts]:
    """Devices in one of `states`, by id, with what they report of `models`; only those for which `which` holds.

    With `first` they are so many at most, by name.
    """
    labels_of, machine_of, state_of = _once(_labels), _once(_machine), _once(DeviceState)
    query = _DEVICES.where(_D.state.in_(states), *which)
    query = query.order_by(_D.id) if first is None else query.order_by(_D.name, _D.id).limit(first)
    with db.read() as connection:
        reported = _states(connection, models, which) if models else {}
        return [
            DeviceFacts(
                id,
                name,
                labels_of(labels),
                machine_of(*machine),
                reported.get(id, ()),
                (seen := newest(id, Seen(at=seen_at, poll_s=poll_s))).at,
                link_kind,
                time_zone,
                state_of(state),
                disk_free_bytes,
                agent_version,
                seen.poll_s,
            )
            for (
                id,
                name,
                labels,
                *machine,
                link_kind,
                time_zone,
                seen_at,
                poll_s,
                state,
                disk_free_bytes,
                agent_version,
            ) in _rows(connection, query)
        ]


def _states(
    connection: sa.Connection, models: Collection[str], which: Sequence[sa.ColumnElement[bool]]
) -> dict[str, tuple[ModelState, ...]]:
    """States by device; equal ones are one object."""
    state_of, one_of = _once(_state), _once(lambda *state: (state_of(*state),))
    found = dict[str, tuple[ModelState, ...]]()
    query = _STATES.where(_M.model.in_(sorted(models)))
    if which:
        query = query.join(table.device, _D.id == _M.device).where(*which)
    for device, *state in _rows(connection, query):
        before = found.get(device)
        found[device] = one_of(*state) if before is None else (*before, state_of(*state))
    return found


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """The rows of a query, a part at a time: the garbage collector would walk over 100,000 of them again and again."""
    for part in connection.execute(query.execution_options(yield_per=AT_ONCE)).partitions():
        yield from part


def _once(make: Callable[..., T]) -> Callable[..., T]:
    return cache(make)


def _labels(text: str) -> dict[str, str]:
    found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
    return found


def _machine(
    arch: str, cores: int, ram_bytes: int, hardware_ids: str, runtimes: str, providers: str, accelerators: str
) -> Machine:
    return Machine(
        arch,
        cores,
        ram_bytes,
        msgspec.json.decode(hardware_ids, type=tuple[str, ...]),
        msgspec.json.decode(runtimes, type=dict[str, str]),
        msgspec.json.decode(providers, type=dict[str, tuple[str, ...]]),
        msgspec.json.decode(accelerators, type=tuple[str, ...]),
    )


def _state(
    model: str, version: int, counter: int, manifest_sha256: str, step: str, candidate: int, held: str
) -> ModelState:
    return ModelState(
        model=model,
        version=version,
        counter=counter,
        manifest_sha256=manifest_sha256,
        step=step,
        candidate_counter=candidate,
        held_manifests=msgspec.json.decode(held, type=tuple[str, ...]),
    )


def _text(column: sa.Column[Any]) -> sa.ColumnElement[str]:
    """A JSON column as it is kept: equal texts are parsed once."""
    return sa.cast(column, sa.Text)


_D, _H, _M = table.device.c, table.device_heard.c, table.device_model.c
_DEVICES = (
    sa.select(_D.id, _D.name, _text(_D.labels))
    .add_columns(_D.arch, _D.cores, _D.ram_bytes, _text(_D.hardware_ids), _text(_D.runtimes), _text(_D.providers))
    .add_columns(_text(_D.accelerators), _D.link_kind, _D.time_zone, _H.last_seen_at, _H.poll_s)
    .add_columns(_D.state, _D.disk_free_bytes, _D.agent_version)
    .select_from(table.devices)
)
_STATES = sa.select(_M.device, _M.model, _M.version, _M.counter, _M.manifest_sha256, _M.step).add_columns(
    _M.candidate_counter, _text(_M.held_manifests)
)
