"""Starts, wakes, cancels and shows runs."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from dbos import DBOS
from dbos import error as dbos_error

from edgewright.contract.api import RunRecord, RunState
from edgewright.contract.errors import Conflict, EdgewrightError, NotFound
from edgewright.hub.db import Database, DatabaseAway, DatabaseBusy, to_record
from edgewright.hub.events import Events
from edgewright.hub.jobs import worker
from edgewright.hub.jobs.context import Body, RunContext
from edgewright.hub.jobs.peers import Peers
from edgewright.hub.jobs.table import ENDED, run_table

log = structlog.get_logger()

T = TypeVar("T")

MAX_LOG_CHARS = 64_000
QUEUE = "work"
LIGHT = "light"
RETRY_AFTER_S = 0.5


class Jobs:
    """Starts, wakes, cancels and shows runs. `start` joins the caller's transaction.

    Hubs that share a database share its runs: whichever has a place takes the next one, and goes on with what
    another has left.
    """

    def __init__(self, db: Database, events: Events, clock: Callable[[], float]) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._bodies: dict[str, tuple[Body, str]] = {}
        self._places: dict[str, int | None] = {QUEUE: 2}
        self._is_launched = False
        self._closing = threading.Event()
        self._engine: sa.Engine | None = None
        self._peers: Peers | None = None
        self.on_lost: Callable[[], None] = lambda: None
        """Called where the other hubs have taken this one for dead: it should end."""

    def define(self, kind: str, body: Body, *, is_heavy: bool = True, at_once: int = 0) -> None:
        """Say what runs of `kind` do. Heavy ones queue for a worker's place, others start at once.

        With `at_once`, runs of this kind have so many places of their own, and wait for no other kind.
        """
        queue = f"{QUEUE}-{kind}" if at_once else QUEUE
        if at_once:
            self._places[queue] = at_once
        self._bodies[kind] = (body, queue if is_heavy else "")

    def launch(self, path: Path) -> None:
        """Start the worker; runs that a crash cut off go on. Its store is at `path` unless the database is shared."""
        self._is_launched = True
        if self._db.is_shared:
            self._places[LIGHT] = None
            self._peers = Peers(self._db, worker.hand_on, lambda: self.on_lost())
            self._peers.join()
        self._engine = worker.launch(self._db, path, self.perform, self._places)
        if self._peers is not None:
            self._peers.start()
        self._events.subscribe("run.queued", lambda event: self._begin(event.data["run_kind"], event.subject))
        with self._db.read() as connection:
            query = sa.select(run_table.c.kind, run_table.c.id).where(run_table.c.state == RunState.QUEUED)
            waiting = connection.execute(query).all()
        for kind, run_id in waiting:
            self._begin(kind, run_id)

    def shut_down(self) -> None:
        """Stop the worker. What is unfinished goes on at the next launch, or at another hub."""
        self._is_launched = False
        self._closing.set()
        DBOS.destroy(workflow_completion_timeout_sec=0)
        if self._peers is not None:
            self._peers.stop()
        if self._engine is not None:
            self._engine.dispose()

    def start(
        self, connection: sa.Connection, kind: str, subject: str, args: dict[str, Any], *, id: str = "", why: str = ""
    ) -> str:
        """Queue a run in this transaction and return its id. The same `id` again changes nothing."""
        run_id = id or f"{kind}-{uuid.uuid4().hex[:12]}"
        if connection.scalar(sa.select(run_table.c.id).where(run_table.c.id == run_id)) is None:
            row = {"id": run_id, "kind": kind, "subject": subject, "args": args, "why": why}
            connection.execute(sa.insert(run_table).values(**row, state="queued", started_at=self._clock()))
            self._events.record(connection, "run.queued", run_id, run_kind=kind)
        return run_id

    def wake(self, run_id: str) -> None:
        """Wake a run that waits; without effect on one that does not exist or has ended, or before `launch`."""
        if not self._is_launched:
            return
        with contextlib.suppress(dbos_error.DBOSNonExistentWorkflowError):
            DBOS.send(run_id, True, topic="wake")

    def cancel(self, run_id: str) -> RunRecord:
        """End a run, at its next step or where a step asks `is_cancelled`. Raises Conflict if it has ended."""
        record = self.get(run_id)
        if record.state in ENDED:
            raise Conflict(f"run {run_id} has already ended ({record.state})", field="run")
        DBOS.cancel_workflow(run_id)
        self.note(run_id, state=RunState.CANCELLED, ended=True)
        return self.get(run_id)

    def get(self, run_id: str) -> RunRecord:
        """The run of that id; raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(run_table).where(run_table.c.id == run_id)).mappings().first()
        if row is None:
            raise NotFound(f"there is no run '{run_id}'", field="run", hint="`edgewright run ls` lists the runs.")
        return to_record(row, RunRecord)

    def state(self, run_id: str) -> RunState:
        """How far the run of that id is; raises NotFound."""
        with self._db.read() as connection:
            found = connection.scalar(sa.select(run_table.c.state).where(run_table.c.id == run_id))
        if found is None:
            raise NotFound(f"there is no run '{run_id}'", field="run")
        return RunState(found)

    def runs(self, kind: str = "", subject: str = "", limit: int = 200) -> list[RunRecord]:
        """The newest runs first."""
        query = sa.select(run_table).order_by(run_table.c.started_at.desc()).limit(limit)
        if kind:
            query = query.where(run_table.c.kind == kind)
        if subject:
            query = query.where(run_table.c.subject == subject)
        with self._db.read() as connection:
            return [to_record(row, RunRecord) for row in connection.execute(query).mappings()]

    def note(
        self,
        run_id: str,
        *,
        step: str | None = None,
        fraction: float | None = None,
        state: RunState | None = None,
        log: str = "",
        error: str | None = None,
        result: dict[str, Any] | None = None,
        ended: bool = False,
    ) -> None:
        """Save how far a run is. One that has ended stays as it ended, whatever its last step still says."""
        values: dict[str, Any] = {"step": step, "fraction": fraction, "state": state, "error": error, "result": result}
        values = {name: value for name, value in values.items() if value is not None}
        if ended:
            values["ended_at"] = self._clock()
        with self._db.write() as connection:
            is_live = sa.and_(run_table.c.id == run_id, run_table.c.state.not_in(ENDED))
            if log:
                old = connection.scalar(sa.select(run_table.c.log).where(is_live)) or ""
                values["log"] = (old + log)[-MAX_LOG_CHARS:]
            changed = connection.execute(sa.update(run_table).where(is_live).values(**values)).rowcount
            if ended and changed:
                self._events.record(connection, "run.ended", run_id, state=str(state))

    def patiently(self, act: Callable[..., T], *args: Any) -> T:
        """What `act` returns; while the database is away, or too busy, it is tried again."""
        while True:
            try:
                return act(*args)
            except (DatabaseAway, DatabaseBusy):
                if self._closing.wait(RETRY_AFTER_S):
                    raise

    def note_patiently(self, run_id: str, **facts: Any) -> None:
        """As `note`, for what a run says of itself."""
        self.patiently(lambda: self.note(run_id, **facts))

    def perform(self, kind: str, run_id: str) -> dict[str, Any]:
        """Do the work of a run; called by the worker alone."""
        row = self.patiently(self._row, run_id)
        if row.state in ENDED:
            return {}  # cancelled before it began, or cut off between its end and the worker's own record of it
        body, _ = self._bodies[kind]
        self.note_patiently(run_id, state=RunState.RUNNING)
        try:
            result = body(self.context(run_id, row.args, row.started_at))
        except dbos_error.DBOSWorkflowCancelledError:
            self.note_patiently(run_id, state=RunState.CANCELLED, ended=True)
            raise
        except EdgewrightError as error:
            if self._closing.is_set():
                raise  # its store was closed under it: it has not failed, it goes on at the next launch
            reason = {"code": error.code}
            self.note_patiently(run_id, state=RunState.FAILED, error=error.message, result=reason, ended=True)
            return {}
        except Exception as error:
            if self._closing.is_set():
                raise
            log.exception("run.failed", run=run_id, kind=kind)
            self.note_patiently(run_id, state=RunState.FAILED, error=f"{type(error).__name__}: {error}", ended=True)
            return {}
        self.note_patiently(run_id, state=RunState.DONE, fraction=1.0, result=result, ended=True)
        return {}

    def _row(self, run_id: str) -> Any:
        of = run_table.c
        with self._db.read() as connection:
            return connection.execute(sa.select(of.args, of.state, of.started_at).where(of.id == run_id)).one()

    def context(self, run_id: str, args: dict[str, Any], started_at: float) -> RunContext:
        """What the body of a run sees of it."""
        return RunContext(self, run_id, args, started_at)

    def _begin(self, kind: str, run_id: str) -> None:
        _, queue = self._bodies[kind]
        worker.begin(kind, run_id, queue or (LIGHT if self._db.is_shared else ""))
