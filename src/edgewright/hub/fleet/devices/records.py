"""Devices as the public API shows them: one, or page by page, with what is wanted of them beside what they report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceModel, DeviceRecord, DeviceState
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.report import ModelState
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.facts import DeviceFacts, read_facts
from edgewright.hub.fleet.model import MAX_PAGE, Desired, Seen
from edgewright.hub.fleet.reported import chunks

LOOKED_AT = 4000  # devices at once, where somebody asks for some of them

Newest = Callable[[str, Seen], Seen]
States = Callable[[Collection[str]], Mapping[str, tuple[ModelState, ...]]]


class Chosen(Protocol):
    """Devices that somebody asks for, as a Selector does; `models` must be read to decide."""

    @property
    def models(self) -> frozenset[str]: ...

    def takes(self, facts: DeviceFacts) -> bool:
        """Whether the device is meant."""
        ...


class Records:
    """Reads devices. `newest` tells heartbeats that are in memory only, `states` what devices report of models."""

    def __init__(self, db: Database, newest: Newest, states: States) -> None:
        self._db = db
        self._newest = newest
        self._states = states

    def one(self, id: str) -> DeviceRecord:
        """The device of that id; raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(_WHOLE.where(table.device.c.id == id)).mappings().first()
        if row is None:
            raise NotFound(f"there is no device '{id}'", field="device", hint="`edgewright device ls` lists them.")
        return self._of([row])[0]

    def page(
        self,
        *,
        after: str = "",
        limit: int = MAX_PAGE,
        state: DeviceState | None = None,
        chosen: Chosen | None = None,
    ) -> list[DeviceRecord]:
        """At most `limit` devices by name, those after the device `after`; fewer than `limit` are the last.

        Raises InvalidInput, NotFound where there is no device `after`.
        """
        if not 0 < limit <= MAX_PAGE:
            raise InvalidInput(f"a page has 1 to {MAX_PAGE} devices, not {limit}", field="limit")
        which: list[sa.ColumnElement[bool]] = []
        if state is not None:
            which.append(table.device.c.state == state)
        if after:
            last = self.one(after)
            which.append((last.name, last.id) < _BY_NAME)
        if chosen is not None:
            return self.of(self._pick(which, chosen, limit))
        query = _WHOLE.where(*which).order_by(*_ORDER).limit(limit)
        with self._db.read() as connection:
            return self._of(connection.execute(query).mappings().all())

    def of(self, ids: Sequence[str]) -> list[DeviceRecord]:
        """Those of `ids` that there are."""
        return self._of(self._rows(ids))

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """The names of those of `ids` that there are."""
        found: dict[str, str] = {}
        with self._db.read() as connection:
            for part in chunks(ids):
                query = sa.select(table.device.c.id, table.device.c.name).where(table.device.c.id.in_(part))
                found |= {row.id: row.name for row in connection.execute(query)}
        return found

    def every(self) -> list[DeviceRecord]:
        """All devices, by name."""
        with self._db.read() as connection:
            return self._of(connection.execute(_WHOLE.order_by(*_ORDER)).mappings().all())

    def _pick(self, which: Sequence[sa.ColumnElement[bool]], chosen: Chosen, limit: int) -> list[str]:
        """The first that are chosen, by name, looked for part by part until there are enough."""
        picked: list[str] = []
        after: tuple[sa.ColumnElement[bool], ...] = ()
        while len(picked) < limit:
            every = tuple(DeviceState)
            part = read_facts(self._db, self._newest, chosen.models, (*which, *after), every, LOOKED_AT)
            picked += [facts.id for facts in part if chosen.takes(facts)]
            if len(part) < LOOKED_AT:
                break
            after = ((part[-1].name, part[-1].id) < _BY_NAME,)
        return picked[:limit]

    def _rows(self, ids: Sequence[str]) -> list[sa.RowMapping]:
        query, rows = _WHOLE.order_by(*_ORDER), list[sa.RowMapping]()
        with self._db.read() as connection:
            for part in chunks(ids):
                rows += connection.execute(query.where(table.device.c.id.in_(part))).mappings()
        return rows

    def _of(self, rows: Sequence[sa.RowMapping]) -> list[DeviceRecord]:
        states = self._states([row["id"] for row in rows])
        return [self._record(row, states[row["id"]]) for row in rows]

    def _record(self, row: sa.RowMapping, states: tuple[ModelState, ...]) -> DeviceRecord:
        seen = self._newest(row["id"], Seen(at=row["last_seen_at"], backlog=row["backlog"] or 0, poll_s=row["poll_s"]))
        return DeviceRecord(
            **{name: row[name] for name in _PLAIN},
            hardware_ids=tuple(row["hardware_ids"]),
            accelerators=tuple(row["accelerators"]),
            providers={name: tuple(found) for name, found in row["providers"].items()},
            state=DeviceState(row["state"]),
            is_revoked=row["state"] == DeviceState.REVOKED,
            last_seen_at=seen.at,
            backlog=seen.backlog,
            poll_s=seen.poll_s,
            models=tuple(map(_model, states)),
        )


_HEARD = table.device_heard.c
_WHOLE = sa.select(table.device, _HEARD.last_seen_at, _HEARD.backlog, _HEARD.poll_s).select_from(table.devices)
_ORDER = (table.device.c.name, table.device.c.id)
_BY_NAME = sa.tuple_(*_ORDER)
_PLAIN = (
    *("id", "name", "labels", "arch", "cores", "ram_bytes", "runtimes", "agent_version", "enrolled_at"),
    *("disk_free_bytes", "link_kind", "time_zone", "state_reason", "replaces"),
)


def with_desired(device: DeviceRecord, wanted: Mapping[str, Desired]) -> DeviceRecord:
    """The device with what is wanted of each model beside what it reports; pure."""
    reported = {model.model: model for model in device.models}
    names = sorted(reported.keys() | wanted.keys())
    models = (_wanted(reported.get(name) or _absent(name), wanted.get(name)) for name in names)
    return msgspec.structs.replace(device, models=tuple(models))


def _model(state: ModelState) -> DeviceModel:
    return DeviceModel(model=state.model, version=state.version, counter=state.counter, step=state.step)


def _absent(name: str) -> DeviceModel:
    return DeviceModel(model=name, version=0, counter=0, step="idle")


def _wanted(model: DeviceModel, want: Desired | None) -> DeviceModel:
    if want is None:
        return model
    return msgspec.structs.replace(model, desired_counter=want.counter, bad_counters=want.bad_counters)
