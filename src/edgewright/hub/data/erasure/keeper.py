"""Keeps the lake and the terms of what is kept, for as long as the hub runs: a thread that looks every few seconds.

The timer of a sample is a moment in its row: it outlives any crash, and changes with its model's policy.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from edgewright.hub.data import table
from edgewright.hub.data.erasure.removal import Doomed, Removal
from edgewright.hub.data.lake import Mover
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import SYSTEM, Audit

log = structlog.get_logger()

EVERY_S = 10.0
RETRY_AFTER_S = 60.0
AT_ONCE = 500


class Keeper:
    """Moves what has landed to the lake, and deletes samples, and labels that wait for theirs, whose time is up.

    This is no run: nobody may cancel it, and one failure must not end it.
    """

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        mover: Mover,
        removal: Removal,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._mover = mover
        self._removal = removal
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lake", daemon=True)

    def start(self) -> None:
        """Begin; the first look is due after the first wait."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the look in hand and stop. What has not landed waits in the database."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Do what is due; a step that fails is logged and keeps no other from its turn. Says whether none failed."""
        steps = {
            "move": self._mover.move,
            "expire": self._expire,
            "forget labels": self._forget_labels,
            "sweep": self._removal.sweep,
        }
        failed = [name for name, step in steps.items() if not self._is_done(name, step)]
        return not failed

    def _is_done(self, name: str, step: Callable[[], object]) -> bool:
        try:
            step()
        except Exception:
            log.exception("data.keeping_failed", step=name)
            return False
        return True

    def _expire(self) -> None:
        while self._expire_some():
            pass

    def _expire_some(self) -> int:
        """Delete some samples whose time is up; returns how many that were."""
        of = table.sample.c
        query = sa.select(of.id, of.model, of.at, of.sha256).where(of.expires_at <= self._clock())
        with self._db.read() as connection:
            expired = [Doomed(*row) for row in connection.execute(query.order_by(of.expires_at).limit(AT_ONCE))]
        if expired:
            self._removal.remove(expired)
            with self._db.write() as connection:
                for model, count in sorted(Counter(sample.model for sample in expired).items()):
                    self._audit.record(connection, SYSTEM.name, "samples.expire", model, count=count)
                    self._events.record(connection, "data.expired", model, model=model, count=count)
        return len(expired)

    def _forget_labels(self) -> None:
        """Delete labels whose samples never came."""
        forgotten = self._removal.forget_waiting(self._clock())
        if forgotten:
            with self._db.write() as connection:
                for model, count in sorted(forgotten.items()):
                    self._audit.record(connection, SYSTEM.name, "labels.expire", model, count=count)

    def _run(self) -> None:
        wait_s = self._every_s
        while not self._stopping.wait(wait_s):
            wait_s = self._every_s if self.look() else max(self._every_s, RETRY_AFTER_S)
