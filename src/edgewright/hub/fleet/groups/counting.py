"""How many devices each group has now, without reading the fleet each time: only devices that changed are read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.facts import read_facts
from edgewright.hub.fleet.groups.membership import Group
from edgewright.hub.fleet.model import Seen

SETTLED_S = 30.0
"""A change that is older is in the table for every reader, whichever hub made it by its own clock."""


class Counts:
    """Counts of members, kept in memory from the first time that somebody asks.

    One number for each device that is in any group: bit n says that it is in the n-th.
    """

    def __init__(self, db: Database, newest: Callable[[str, Seen], Seen]) -> None:
        self._db = db
        self._newest = newest
        self._lock = threading.Lock()
        self._groups: tuple[Group, ...] = ()
        self._bits: dict[str, int] = {}
        self._counts: list[int] = []
        self._read_until = float("-inf")

    def of(self, groups: Sequence[Group], now: float) -> dict[str, int]:
        """How many devices each of `groups`, all there are, has."""
        with self._lock:
            if tuple(groups) != self._groups:
                self._begin(tuple(groups))
            self._follow(now)
            return {group.name: count for group, count in zip(self._groups, self._counts, strict=True)}

    def _begin(self, groups: tuple[Group, ...]) -> None:
        self._groups, self._bits, self._counts = groups, {}, [0] * len(groups)
        self._read_until = float("-inf")

    def _follow(self, now: float) -> None:
        changed_at = table.device.c.changed_at
        with self._db.read() as connection:
            newest = connection.scalar(sa.select(sa.func.max(changed_at)))
        if newest is None or newest <= self._read_until:
            return
        which = (changed_at > self._read_until,) if self._read_until > float("-inf") else ()
        models = frozenset[str]().union(*(group.models for group in self._groups))
        for facts in read_facts(self._db, self._newest, models, which, tuple(DeviceState)):
            bits = sum(1 << place for place, group in enumerate(self._groups) if group.takes(facts))
            self._put(facts.id, bits)
        self._read_until = min(newest, now - SETTLED_S)

    def _put(self, device: str, bits: int) -> None:
        old = self._bits.get(device, 0)
        if bits == old:
            return
        for place in range(len(self._counts)):
            self._counts[place] += (bits >> place & 1) - (old >> place & 1)
        if bits:
            self._bits[device] = bits
        else:
            self._bits.pop(device, None)
