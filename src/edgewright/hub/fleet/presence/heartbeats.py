"""Heartbeats, written behind: when a device was last heard of is kept in memory and saved for many at once."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from edgewright.contract.errors import Busy
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.presence.memory import Memory

FLUSH_EVERY_S = 5.0
CHUNK = 2000
MAX_WAITING = 200_000


class Heartbeats:
    """A crash of the hub loses at most FLUSH_EVERY_S of them, one whose database is away at most `max_waiting`."""

    def __init__(self, db: Database, memory: Memory, max_waiting: int = MAX_WAITING) -> None:
        self._db = db
        self._memory = memory
        self._max_waiting = max_waiting
        self._waiting: list[int] = []
        self._waits = bytearray()
        self._flushing = threading.Lock()
        self._flushed_at = float("-inf")

    def note(self, row: int, backlog: int, now: float) -> bool:
        """Remember that the device of `row` was heard of; True where it is time to `flush`. Raises Busy."""
        if row >= len(self._waits):
            self._waits.extend(bytes(row + 1024 - len(self._waits)))
        if not self._waits[row]:
            if len(self._waiting) >= self._max_waiting:
                raise Busy("the hub cannot save when devices were last heard of", retry_after_s=FLUSH_EVERY_S)
            self._waits[row] = 1
            self._waiting.append(row)
        self._memory.seen_at[row] = now
        self._memory.backlog[row] = backlog
        return now - self._flushed_at >= FLUSH_EVERY_S

    def flush(self, now: float) -> None:
        """Save those in memory; without effect while another thread does."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            self._flushed_at = now
            while part := self._waiting[:CHUNK]:
                self._save(part)
                del self._waiting[: len(part)]
        finally:
            self._flushing.release()

    def _save(self, part: list[int]) -> None:
        memory, of = self._memory, table.device.c
        for row in part:  # from here on, one that is heard of again waits again
            self._waits[row] = 0
        rows = [{"device": memory.devices[row], "at": memory.seen_at[row], "n": memory.backlog[row]} for row in part]
        rows.sort(key=_by_device)
        update = sa.update(table.device).where(of.id == sa.bindparam("device"))
        with self._db.write() as connection:
            connection.execute(update.values(last_seen_at=sa.bindparam("at"), backlog=sa.bindparam("n")), rows)


def _by_device(row: dict[str, object]) -> str:
    return str(row["device"])
