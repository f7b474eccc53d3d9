"""The hubs that share a database: each says that it lives, and what a dead one had begun is handed on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Collection

import sqlalchemy as sa
import structlog

from edgewright.hub.db import Database, DatabaseAway, key_of
from edgewright.hub.jobs.table import hub_table

log = structlog.get_logger()

BEAT_S = 1.0
GONE_AFTER_S = 4.0  # of silence, where the server has seen the hub's session end
DEAD_AFTER_S = 20.0  # of silence, whatever its session says

HandOn = Callable[[Callable[[], Collection[str]]], object]
"""Hands on what nobody of the living has begun; they are read when it asks."""


class Peers:
    """This hub among the others, by a session with the server that it keeps for nothing else.

    The session holds a lock of this hub's own, so that the server knows at once when the process has died. All times
    are the server's: hubs need not agree about theirs. Who finds that the others took it for dead is told so by
    `on_lost`: its runs go on elsewhere, and it should end.
    """

    def __init__(
        self,
        db: Database,
        hand_on: HandOn,
        on_lost: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._hand_on = hand_on
        self._on_lost = on_lost
        self._monotonic = monotonic
        self._session: sa.Connection | None = None
        self._patient_until = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)

    def join(self) -> None:
        """Be one of the living, from here on; raises DatabaseAway."""
        connection = self._connect()
        row = {"id": self._db.id, "host": socket.gethostname()[:200], "seen_at": _now()}
        connection.execute(sa.insert(hub_table).values(row))

    def start(self) -> None:
        """Begin to say so, and to look after the others. What nobody has any more is handed on first."""
        self._hand_on(self._living)
        self._thread.start()

    def stop(self) -> None:
        """Leave: the others may go on with everything at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(sa.exc.DBAPIError, DatabaseAway):
            connection = self._session or self._connect()
            connection.execute(sa.update(hub_table).where(hub_table.c.id == self._db.id).values(seen_at=0.0))
        self._disconnect()

    def beat(self) -> None:
        """Say that this hub lives, and bury those that do not."""
        connection = self._session or self._connect()
        mine = sa.update(hub_table).where(hub_table.c.id == self._db.id)
        if connection.execute(mine.values(seen_at=_now())).rowcount == 0:
            log.critical("peers.lost", hint="The others took this hub for dead: it stood still for too long.")
            self._stopping.set()
            self._on_lost()
        elif self._monotonic() >= self._patient_until and self._dead(connection):
            self._bury(connection)

    def _run(self) -> None:
        while not self._stopping.wait(BEAT_S):
            try:
                self.beat()
            except Exception:
                log.exception("peers.beat_failed")
                self._disconnect()

    def _bury(self, connection: sa.Connection) -> None:
        """One hub at a time does so. What the dead may still hold in the server ends first."""
        with self._db.alone("peers", wait=False) as is_mine:
            dead = self._dead(connection) if is_mine else []
            for id in dead:
                log.warning("peers.dead", hub=id)
                connection.execute(_END_SESSIONS, {"name": f"edgewright {id}"})
            if dead:
                self._hand_on(lambda: self._living() - set(dead))
                connection.execute(sa.delete(hub_table).where(hub_table.c.id.in_(dead)))

    def _living(self) -> set[str]:
        with self._db.read() as connection:
            return set(connection.scalars(sa.select(hub_table.c.id).where(hub_table.c.seen_at > 0)))

    def _dead(self, connection: sa.Connection) -> list[str]:
        of = hub_table.c
        silent_s = _now() - of.seen_at
        rows = connection.execute(sa.select(of.id, silent_s.label("silent_s")).where(of.id != self._db.id)).all()
        return [
            row.id
            for row in rows
            if row.silent_s > DEAD_AFTER_S or (row.silent_s > GONE_AFTER_S and _is_free(connection, row.id))
        ]

    def _connect(self) -> sa.Connection:
        """A session anew. After a restart of the server the others need a moment to show that they live, too."""
        connection = self._db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        connection.execute(sa.select(sa.func.pg_try_advisory_lock(key_of(self._db.id))))
        self._patient_until = self._monotonic() + GONE_AFTER_S
        self._session = connection
        return connection

    def _disconnect(self) -> None:
        if self._session is not None:
            with contextlib.suppress(sa.exc.DBAPIError):
                self._session.close()
        self._session = None


_END_SESSIONS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name"
)


def _is_free(connection: sa.Connection, id: str) -> bool:
    """Whether nobody holds this hub's lock; asking takes it for no longer than the question."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key_of(id)))))


def _now() -> sa.ColumnElement[float]:
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
