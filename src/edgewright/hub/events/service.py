"""Events: what happened, committed with the change that made it happen, told to subscribers at least once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa
import structlog

from edgewright.hub.db import Database, DatabaseAway, DatabaseBusy, after_commit
from edgewright.hub.events.table import Event, cursor_table, event_table
from edgewright.hub.events.watching import Watcher, Watching

log = structlog.get_logger()

TRIES = 3
POLL_S = 5.0
SHARED_POLL_S = 0.5  # for what other hubs record
PLACE = "events"
MAIN = "main"

Handler = Callable[[Event], None]


class Events:
    """Records events inside a transaction and hands them, in order, to subscribers in one background thread.

    Of the hubs that share a database one at a time does so, for all of them. The cursor is saved after the handlers
    ran, so an event is told again after a crash: handlers are idempotent. One that fails is tried again at once, and
    after three failures logged and passed over; while the database is away, none is.
    """

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._news = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._watching = Watching(db)

    def record(self, connection: sa.Connection, kind: str, subject: str, /, **data: Any) -> None:
        """Note an event in this transaction; subscribers hear of it once it has committed."""
        row: dict[str, Any] = {"at": self._clock(), "kind": kind, "subject": subject, "data": data}
        number = connection.execute(sa.insert(event_table).values(row)).inserted_primary_key
        after_commit(connection, self._news.set)
        if self._watching.is_watched(kind):
            event = Event(number=number[0] if number else 0, **row)
            after_commit(connection, lambda: self._watching.tell_own(event))

    def subscribe(self, kind: str, handler: Handler) -> None:
        """Call `handler` for every event of `kind`."""
        self._handlers[kind].append(handler)

    def watch(self, kinds: Collection[str], watcher: Watcher) -> None:
        """Have `watcher` hear of every event of these kinds ('rollout.*' for all of a room), whichever hub records it.

        For what every process keeps in memory: it is called in the thread that has committed, before `db.write()`
        returns, and within about a second of another hub's commit, from the start of this process on. It must be
        quick, wait for nothing, and bear being called by several threads, twice for one event and, with other hubs, not
        in the order of the numbers.
        """
        self._watching.add(kinds, watcher)

    def look(self) -> None:
        """Tell watchers now, in this thread, of what other hubs have recorded."""
        self._watching.read()

    def watched_s(self) -> float:
        """For how many seconds nothing is known of what other hubs have recorded; infinite before `start`."""
        return self._watching.lag_s()

    def start(self) -> None:
        """Begin to hand out events, first those that a previous life left."""
        self._watching.start()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch in hand and stop."""
        self._stopping = True
        self._watching.stop()
        self._news.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def deliver(self) -> int:
        """Hand out everything that waits, in this thread, after whoever does so now. Returns how many events it was."""
        with self._db.alone(PLACE):
            return self._deliver()

    def _deliver(self) -> int:
        delivered = 0
        while not self._stopping and (batch := self._next_batch()):
            for event in batch:
                self._tell(event)
            self._save_cursor(batch[-1].number)
            delivered += len(batch)
        return delivered

    def _run(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                with self._db.alone(PLACE, wait=False) as is_mine:
                    if is_mine:
                        self._deliver()
            except Exception:
                log.exception("events.delivery_failed")
            self._news.wait(timeout=SHARED_POLL_S if self._db.is_shared else POLL_S)

    def _tell(self, event: Event) -> None:
        for handler in self._handlers.get(event.kind, ()):
            for _ in range(TRIES):
                try:
                    handler(event)
                    break
                except (DatabaseAway, DatabaseBusy):
                    raise
                except Exception:
                    log.exception("events.handler_failed", kind=event.kind, subject=event.subject)

    def _next_batch(self) -> list[Event]:
        with self._db.read() as connection:
            last = connection.scalar(sa.select(cursor_table.c.number).where(cursor_table.c.name == MAIN)) or 0
            query = sa.select(event_table).where(event_table.c.number > last).order_by(event_table.c.number).limit(200)
            return [Event(**row) for row in connection.execute(query).mappings()]

    def _save_cursor(self, number: int) -> None:
        with self._db.write() as connection:
            last = connection.scalar(sa.select(cursor_table.c.number).where(cursor_table.c.name == MAIN))
            if last is None:
                connection.execute(sa.insert(cursor_table).values(name=MAIN, number=number))
            elif last < number:  # never back: another hub may have gone on meanwhile
                connection.execute(sa.update(cursor_table).where(cursor_table.c.name == MAIN).values(number=number))
