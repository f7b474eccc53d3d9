"""Events: what happened, committed with the change that made it happen, told to subscribers at least once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.hub.db import Database, after_commit, metadata

log = structlog.get_logger()

TRIES = 3

event_table = sa.Table(
    "event",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

cursor_table = sa.Table(
    "event_cursor",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: `kind` is 'room.thing', `subject` names the thing."""

    number: int
    at: float
    kind: str
    subject: str
    data: dict[str, Any]


Handler = Callable[[Event], None]


class Events:
    """Records events inside a transaction and hands them, in order, to subscribers in one background thread.

    The cursor is saved after the handlers ran, so an event is told again after a crash: handlers are idempotent.
    One that fails is tried again at once, and after three failures logged and passed over.
    """

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._news = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def record(self, connection: sa.Connection, kind: str, subject: str, **data: Any) -> None:
        """Note an event in this transaction; subscribers hear of it once it has committed."""
        row = {"at": self._clock(), "kind": kind, "subject": subject, "data": data}
        connection.execute(sa.insert(event_table).values(row))
        after_commit(connection, self._news.set)

    def subscribe(self, kind: str, handler: Handler) -> None:
        """Call `handler` for every event of `kind`."""
        self._handlers[kind].append(handler)

    def start(self) -> None:
        """Begin to hand out events, first those that a previous life left."""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch in hand and stop."""
        self._stopping = True
        self._news.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def deliver(self) -> int:
        """Hand out everything that waits, in this thread. Returns how many events that was."""
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
                self.deliver()
            except Exception:
                log.exception("events.delivery_failed")
            self._news.wait(timeout=5.0)

    def _tell(self, event: Event) -> None:
        for handler in self._handlers.get(event.kind, ()):
            for _ in range(TRIES):
                try:
                    handler(event)
                    break
                except Exception:
                    log.exception("events.handler_failed", kind=event.kind, subject=event.subject)

    def _next_batch(self) -> list[Event]:
        with self._db.read() as connection:
            last = connection.scalar(sa.select(cursor_table.c.number).where(cursor_table.c.name == "main")) or 0
            query = sa.select(event_table).where(event_table.c.number > last).order_by(event_table.c.number).limit(200)
            return [Event(**row) for row in connection.execute(query).mappings()]

    def _save_cursor(self, number: int) -> None:
        with self._db.write() as connection:
            updated = connection.execute(
                sa.update(cursor_table).where(cursor_table.c.name == "main").values(number=number)
            )
            if updated.rowcount == 0:
                connection.execute(sa.insert(cursor_table).values(name="main", number=number))
