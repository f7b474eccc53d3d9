"""What admission needs of a few devices, and who else is at their sites; costs grow with those that are asked about."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import ENDED, Seen

CHUNK = 500
SETTLED_S = 5.0
"""A change that is older is in the table for every reader."""


class Lane(msgspec.Struct, frozen=True, gc=False):
    """One device in service. `is_active`: it may get orders; `seen_at` is in seconds since the epoch."""

    id: str
    labels: dict[str, str]
    time_zone: str
    is_active: bool
    seen_at: float | None


class Lanes:
    """Devices that are in service, by id and by label.

    A label that is asked for is read once for the whole fleet and kept; after that only devices that have changed are.
    """

    def __init__(self, db: Database, newest: Callable[[str, Seen], Seen]) -> None:
        self._db = db
        self._newest = newest
        self._lock = threading.Lock()
        self._by_label: dict[str, _Label] = {}

    def of(self, devices: Collection[str]) -> dict[str, Lane]:
        """Those of `devices` that are in service."""
        of, found = table.device.c, dict[str, Lane]()
        columns = (of.id, of.labels, of.time_zone, of.state, of.last_seen_at)
        with self._db.read() as connection:
            for part in _parts(sorted(devices)):
                query = sa.select(*columns).where(of.id.in_(part), of.state.not_in(ENDED))
                for id, labels, time_zone, state, seen_at in connection.execute(query):
                    at = self._newest(id, Seen(at=seen_at)).at
                    found[id] = Lane(id, labels, time_zone, state == DeviceState.ACTIVE, at)
        return found

    def at(self, label: str, values: Collection[str], now: float) -> Mapping[str, frozenset[str]]:
        """The devices whose `label` has one of `values`; '' stands for having none."""
        with self._lock:
            known = self._by_label.setdefault(label, _Label())
            with self._db.read() as connection:
                known.follow(connection, label, now)
            return {value: frozenset(known.devices.get(value, ())) for value in values}


class _Label:
    """The values of one label, in memory."""

    def __init__(self) -> None:
        self.devices: dict[str, set[str]] = defaultdict(set)
        self._value_of: dict[str, str] = {}
        self._read_until = -1.0

    def follow(self, connection: sa.Connection, label: str, now: float) -> None:
        """Take in the devices that have changed since the last time."""
        of, newest = table.device.c, self._read_until
        query = sa.select(of.id, of.labels, of.state, of.changed_at).where(of.changed_at > self._read_until)
        for id, labels, state, changed_at in connection.execute(query):
            self._put(id, None if state in ENDED else labels.get(label, ""))
            newest = max(newest, changed_at)
        self._read_until = max(self._read_until, min(newest, now - SETTLED_S))

    def _put(self, device: str, value: str | None) -> None:
        old = self._value_of.pop(device, None)
        if old is not None:
            self.devices[old].discard(device)
        if value is not None:
            self._value_of[device] = value
            self.devices[value].add(device)


def _parts(names: list[str]) -> Iterator[list[str]]:
    return (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))
