"""What admission needs of a few devices, and who else is at their sites; costs grow with those that are asked about."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import ENDED, Seen

CHUNK = 500
SETTLED_S = 5.0
"""A change that is older is in the table for every reader."""
_OF, _HEARD = table.device.c, table.device_heard.c
_SEEN = (_HEARD.last_seen_at, _HEARD.poll_s)


class Lane(msgspec.Struct, frozen=True, gc=False):
    """One device in service. `is_active`: it may get orders; `seen` is when it was last heard of."""

    id: str
    labels: Mapping[str, str]
    time_zone: str
    is_active: bool
    seen: Seen


class Presence(NamedTuple):
    """Whether a device in service may get orders, and when it was last heard of."""

    is_active: bool
    seen: Seen


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
        columns = (_OF.id, _OF.state, *_SEEN, sa.cast(_OF.labels, sa.Text), _OF.time_zone)
        return {
            id: Lane(id, _labels(labels), time_zone, state == DeviceState.ACTIVE, self._heard(id, seen_at, poll_s))
            for id, state, seen_at, poll_s, labels, time_zone in self._rows(devices, columns)
        }

    def present(self, devices: Collection[str]) -> dict[str, Presence]:
        """Those of `devices` that are in service, with less about each."""
        columns = (_OF.id, _OF.state, *_SEEN)
        return {
            id: Presence(state == DeviceState.ACTIVE, self._heard(id, seen_at, poll_s))
            for id, state, seen_at, poll_s in self._rows(devices, columns)
        }

    def at(self, label: str, values: Collection[str], now: float) -> Mapping[str, frozenset[str]]:
        """The devices whose `label` has one of `values`; '' stands for having none."""
        with self._lock:
            known = self._by_label.setdefault(label, _Label())
            with self._db.read() as connection:
                known.follow(connection, label, now)
            return {value: frozenset(known.devices.get(value, ())) for value in values}

    def _rows(self, devices: Collection[str], columns: Sequence[Any]) -> Iterator[Any]:
        query = sa.select(*columns).select_from(table.devices).where(_OF.state.not_in(ENDED))
        ordered = sorted(devices)
        with self._db.read() as connection:
            for start in range(0, len(ordered), CHUNK):
                yield from connection.execute(query.where(_OF.id.in_(ordered[start : start + CHUNK]))).all()

    def _heard(self, id: str, saved_at: float | None, poll_s: float | None) -> Seen:
        return self._newest(id, Seen(at=saved_at, poll_s=poll_s))


class _Label:
    """The values of one label, in memory."""

    def __init__(self) -> None:
        self.devices: dict[str, set[str]] = defaultdict(set)
        self._value_of: dict[str, str] = {}
        self._read_until = -1.0

    def follow(self, connection: sa.Connection, label: str, now: float) -> None:
        """Take in the devices that have changed since the last time."""
        newest = self._read_until
        columns = (_OF.id, sa.cast(_OF.labels, sa.Text), _OF.state, _OF.changed_at)
        for id, labels, state, changed_at in connection.execute(
            sa.select(*columns).where(_OF.changed_at > self._read_until)
        ).all():
            self._put(id, None if state in ENDED else _labels(labels).get(label, ""))
            newest = max(newest, changed_at)
        self._read_until = max(self._read_until, min(newest, now - SETTLED_S))

    def _put(self, device: str, value: str | None) -> None:
        old = self._value_of.pop(device, None)
        if old is not None:
            self.devices[old].discard(device)
        if value is not None:
            self._value_of[device] = value
            self.devices[value].add(device)


@lru_cache(maxsize=4096)
def _labels(text: str) -> Mapping[str, str]:
    found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
    return found
