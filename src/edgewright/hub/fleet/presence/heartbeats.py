"""Heartbeats, written behind: when a device was last heard of is kept in memory and saved for many at once."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.errors import Busy
from edgewright.hub.db import Database
from edgewright.hub.fleet.presence.memory import Memory

FLUSH_EVERY_S = 5.0
SAVE_EVERY_S = 30
CHUNK = 1000
MAX_WAITING = 200_000


class Heartbeats:
    """Each device's is saved once in SAVE_EVERY_S at most: so much of them a crash of the hub loses.

    With it stands how often the device was told to check in. Where that has changed, its next one is saved at once:
    other hubs must not take it for away meanwhile.

    At most `max_waiting` wait to be saved, where the database is away; beyond that devices are told to come again.
    """

    def __init__(self, db: Database, memory: Memory, max_waiting: int = MAX_WAITING) -> None:
        self._db = db
        self._memory = memory
        self._max_waiting = max_waiting
        self._waiting: list[int] = []
        self._told: set[int] = set()  # rows whose poll interval may be another than the saved one
        self._due = array("q")  # when a row is to be saved again, in whole seconds since the epoch
        self._flushing = threading.Lock()
        self._flushed_at = float("-inf")

    def note(self, row: int, backlog: int, now: float) -> bool:
        """Remember that the device of `row` was heard of; True where it is time to `flush`. Raises Busy."""
        if row >= len(self._due):
            self._due.extend([0] * (row + 1024 - len(self._due)))
        if now >= self._due[row]:
            if len(self._waiting) >= self._max_waiting:
                raise Busy("the hub cannot save when devices were last heard of", retry_after_s=FLUSH_EVERY_S)
            if not self._due[row]:  # what an earlier process told it may be saved
                self._told.add(row)
            self._due[row] = int(now) + SAVE_EVERY_S
            self._waiting.append(row)
        self._memory.seen_at[row] = now
        self._memory.backlog[row] = backlog
        if now - self._flushed_at < FLUSH_EVERY_S:
            return False
        self._flushed_at = now
        return True

    def tell(self, row: int, poll_s: float | None) -> None:
        """Remember how often the device of `row` is told to check in, before the check-in itself is noted."""
        told_s = poll_s or 0.0
        if self._memory.poll_s[row] == told_s:
            return
        self._memory.poll_s[row] = told_s
        self._told.add(row)
        if row < len(self._due):
            self._due[row] = min(self._due[row], int(self._memory.seen_at[row]))

    def flush(self) -> None:
        """Save those that are due; without effect while another thread does."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            self._flush()
        finally:
            self._flushing.release()

    def flush_all(self) -> None:
        """Save all that is newer than what was saved, as at the end of a hub."""
        seen_at = self._memory.seen_at
        with self._flushing:
            self._waiting.extend(row for row, due in enumerate(self._due) if due and seen_at[row] > due - SAVE_EVERY_S)
            self._flush()

    def _flush(self) -> None:
        while part := self._waiting[:CHUNK]:
            self._save(part)
            del self._waiting[: len(part)]

    def _save(self, part: list[int]) -> None:
        rows = set(part)
        told = set(rows) if self._db.is_shared else rows & self._told  # another hub may have told it otherwise since
        self._told -= told  # who is told otherwise from now on is saved again
        try:
            with self._db.write() as connection:
                for some, columns in ((rows - told, HEARD), (told, TOLD)):
                    if some:
                        found = msgspec.json.encode(self._rows(some, columns)).decode()
                        connection.execute(_SAVE[connection.dialect.name, columns], {"rows": found})
        except BaseException:
            self._told |= told
            raise

    def _rows(self, some: set[int], columns: tuple[str, ...]) -> list[tuple[object, ...]]:
        memory = self._memory
        kept: dict[str, Sequence[float]] = {
            "last_seen_at": memory.seen_at,
            "backlog": memory.backlog,
            "poll_s": memory.poll_s,
        }
        values = [kept[name] for name in columns]
        return sorted((memory.devices[row], *(one[row] for one in values)) for row in some)


HEARD = ("last_seen_at", "backlog")
TOLD = (*HEARD, "poll_s")
_AS = {"last_seen_at": "{}", "backlog": "CAST({} AS integer)", "poll_s": "NULLIF({}, 0)"}


def _saving(dialect: str, columns: tuple[str, ...]) -> sa.TextClause:
    """All rows in one statement, while which Python's other threads run; of a statement a row they wait for each."""
    names = ", ".join(columns)
    if dialect == "sqlite":
        device, value, source = "json_extract(value, '$[0]')", "json_extract(value, '$[{}]')", "json_each(:rows)"
    else:
        device, value, source = (
            "value ->> 0",
            "(value ->> {})::float",
            "json_array_elements(CAST(:rows AS json)) AS value",
        )
    values = ", ".join(_AS[name].format(value.format(place)) for place, name in enumerate(columns, start=1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    rows = f"SELECT {device}, {values} FROM {source} WHERE true"  # noqa: S608 (names of columns alone)
    return sa.text(f"INSERT INTO device_heard (device, {names}) {rows} ON CONFLICT (device) DO UPDATE SET {changes}")


_SAVE = {(dialect, names): _saving(dialect, names) for dialect in ("sqlite", "postgresql") for names in (HEARD, TOLD)}
