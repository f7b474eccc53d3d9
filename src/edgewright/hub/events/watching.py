"""Watching: each process of the hub hears of every event soon after its commit, for what it keeps in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable

import sqlalchemy as sa
import structlog

from edgewright.hub.db import Database
from edgewright.hub.events.table import Event, event_table

log = structlog.get_logger()

POLL_S = 0.5
BATCH = 1000
GAP_PATIENCE_S = 600.0
MAX_GAPS = 5000
LOOK_BACK = 1000

Watcher = Callable[[Event], None]


class Watching:
    """Tells watchers of events: this process's own at once, those of other hubs by reading on twice a second."""

    def __init__(self, db: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._monotonic = monotonic
        self._watchers: list[tuple[frozenset[str], Watcher]] = []
        self._by_kind: dict[str, tuple[Watcher, ...]] = {}
        self._lock = threading.Lock()
        self._position: Position | None = None
        self._told: set[int] = set()
        self._read_at = float("-inf")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, kinds: Collection[str], watcher: Watcher) -> None:
        """Have `watcher` hear of `kinds`; 'room.*' stands for every kind of a room."""
        self._watchers.append((frozenset(kinds), watcher))
        self._by_kind.clear()

    def is_watched(self, kind: str) -> bool:
        """Whether anybody hears of `kind`."""
        return bool(self._watchers) and bool(self._of(kind))

    def tell_own(self, event: Event) -> None:
        """Tell of what this process has just committed, in this thread."""
        with self._lock:
            if self._position is not None and not self._position.has_passed(event.number):
                self._told.add(event.number)
        self._tell(event)

    def lag_s(self) -> float:
        """How long ago the events of other hubs were read last."""
        return self._monotonic() - self._read_at

    def start(self) -> None:
        """Begin at the newest event: who watches holds nothing yet that is older."""
        if not self._watchers:
            return
        self.read()
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no further."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def read(self) -> None:
        """Tell of everything that has been committed since the last reading; the first time, of nothing."""
        while True:
            now = self._monotonic()
            with self._db.read() as connection:
                if self._position is None:
                    self._position = Position.newest(connection, now)
                events = self._position.read(connection, now)
            with self._lock:
                news = [event for event in events if event.number not in self._told]
                self._told.difference_update(event.number for event in events)
                self._position.note([event.number for event in events], now)
            for event in news:
                self._tell(event)
            self._read_at = now
            if len(events) < BATCH:
                return

    def _run(self) -> None:
        while not self._stopping.wait(POLL_S):
            try:
                self.read()
            except Exception:
                log.exception("events.watching_failed")

    def _tell(self, event: Event) -> None:
        for watcher in self._of(event.kind):
            try:
                watcher(event)
            except Exception:
                log.exception("events.watcher_failed", kind=event.kind, subject=event.subject)

    def _of(self, kind: str) -> tuple[Watcher, ...]:
        found = self._by_kind.get(kind)
        if found is None:
            names = {kind, f"{kind.partition('.')[0]}.*"}
            found = self._by_kind[kind] = tuple(watcher for kinds, watcher in self._watchers if names & kinds)
        return found


class Position:
    """How far the events have been read.

    PostgreSQL gives numbers when a row is written, and a transaction that commits later may hold a lower one. Numbers
    that were passed over are therefore asked for again, for as long as a transaction may take.
    """

    def __init__(self, last: int, gaps: Iterable[int] = (), now: float = 0.0) -> None:
        self._last = last
        self._gaps = dict.fromkeys(gaps, now)

    @classmethod
    def newest(cls, connection: sa.Connection, now: float) -> Position:
        """After the newest event. Of the numbers shortly before it, those that are not there yet may still come."""
        number = event_table.c.number
        numbers = set(connection.scalars(sa.select(number).order_by(number.desc()).limit(LOOK_BACK)))
        if not numbers:
            return cls(0)
        return cls(max(numbers), set(range(min(numbers), max(numbers))) - numbers, now)

    def has_passed(self, number: int) -> bool:
        """Whether this event was read before."""
        return number <= self._last and number not in self._gaps

    def read(self, connection: sa.Connection, now: float) -> list[Event]:
        """What has been committed since: at most BATCH events."""
        self._gaps = {number: since for number, since in self._gaps.items() if now - since < GAP_PATIENCE_S}
        number = event_table.c.number
        is_new = number > self._last
        if self._gaps:
            is_new = sa.or_(is_new, number.in_(self._gaps))
        query = sa.select(event_table).where(is_new).order_by(number).limit(BATCH)
        return [Event(**row) for row in connection.execute(query).mappings()]

    def note(self, numbers: Iterable[int], now: float) -> None:
        """These were read, in rising order."""
        for number in numbers:
            self._gaps.pop(number, None)
            if number > self._last:
                self._gaps |= dict.fromkeys(range(max(self._last + 1, number - MAX_GAPS), number), now)
                self._last = number
        if len(self._gaps) > MAX_GAPS:
            self._gaps = dict(list(self._gaps.items())[-MAX_GAPS:])
