"""Durable work: runs that survive a crash of the hub and go on where they were (DBOS Transact underneath)."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as dbos_error

from edgewright.contract.api import RunRecord, RunState
from edgewright.contract.errors import Conflict, EdgewrightError, NotFound
from edgewright.hub.db import PRAGMAS, Database, metadata, to_record
from edgewright.hub.events import Events

log = structlog.get_logger()

MAX_LOG_CHARS = 64_000
QUEUE = "work"
ENDED = tuple(state for state in RunState if state.is_ended)

run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False, index=True),
    sa.Column("subject", sa.String(200), nullable=False, index=True),
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("step", sa.String(200), nullable=False, default=""),
    sa.Column("fraction", sa.Float, nullable=False, default=0.0),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("result", sa.JSON, nullable=False, default=dict),
    sa.Column("log", sa.Text, nullable=False, default=""),
    sa.Column("why", sa.Text, nullable=False, default=""),
)

Body = Callable[["RunContext"], dict[str, Any]]
"""What a run does: it returns a JSON object. All its effects lie in `context.step`, each of which can be repeated."""


class RunContext:
    """A run, seen from inside its body. `started_at` is in seconds since the epoch."""

    def __init__(self, jobs: Jobs, run_id: str, args: dict[str, Any], started_at: float) -> None:
        self.id = run_id
        self.args = args
        self.started_at = started_at
        self._jobs = jobs

    def step(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        """Do one step once: after a crash its saved result (JSON) is returned instead of doing it again.

        A crash inside a step repeats the step, so it must be safe to repeat.
        """
        return DBOS.run_step({"name": name}, act, *args)

    def wait(self, timeout_s: float) -> bool:
        """Sleep durably until somebody calls `Jobs.wake` on this run, or `timeout_s` has passed. True if woken."""
        return DBOS.recv("wake", timeout_seconds=timeout_s) is not None

    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled this run: what is under way shall end."""
        return self._jobs.state(self.id) is RunState.CANCELLED

    def report(
        self, step: str, fraction: float | None = None, *, state: RunState = RunState.RUNNING, log: str = ""
    ) -> None:
        """Show people how far this run is; `log` is appended."""
        self._jobs.note(self.id, step=step, fraction=fraction, state=state, log=log)


class Jobs:
    """Starts, wakes, cancels and shows runs. `start` joins the caller's transaction."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float]) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._bodies: dict[str, tuple[Body, str]] = {}
        self._places: dict[str, int] = {QUEUE: 2}
        self._is_launched = False
        self._engine: sa.Engine | None = None

    def define(self, kind: str, body: Body, *, is_heavy: bool = True, at_once: int = 0) -> None:
        """Say what runs of `kind` do. Heavy ones queue for a worker's place, others start at once.

        With `at_once`, runs of this kind have so many places of their own, and wait for no other kind.
        """
        queue = f"{QUEUE}-{kind}" if at_once else QUEUE
        if at_once:
            self._places[queue] = at_once
        self._bodies[kind] = (body, queue if is_heavy else "")

    def launch(self, path: Path) -> None:
        """Start the worker on the durable store at `path`; runs that a crash cut off go on."""
        self._is_launched = True
        self._engine = _launch(self, path, self._places)
        self._events.subscribe("run.queued", lambda event: self._begin(event.data["run_kind"], event.subject))
        with self._db.read() as connection:
            query = sa.select(run_table.c.kind, run_table.c.id).where(run_table.c.state == RunState.QUEUED)
            waiting = connection.execute(query).all()
        for kind, run_id in waiting:
            self._begin(kind, run_id)

    def shut_down(self) -> None:
        """Stop the worker. What is unfinished goes on at the next launch."""
        self._is_launched = False
        DBOS.destroy(workflow_completion_timeout_sec=0)
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

    def perform(self, kind: str, run_id: str) -> dict[str, Any]:
        """Do the work of a run; called by the worker alone."""
        with self._db.read() as connection:
            of = run_table.c
            row = connection.execute(sa.select(of.args, of.state, of.started_at).where(of.id == run_id)).one()
        if row.state in ENDED:
            return {}  # cancelled before it began, or cut off between its end and the worker's own record of it
        body, _ = self._bodies[kind]
        self.note(run_id, state=RunState.RUNNING)
        try:
            result = body(self.context(run_id, row.args, row.started_at))
        except dbos_error.DBOSWorkflowCancelledError:
            self.note(run_id, state=RunState.CANCELLED, ended=True)
            raise
        except EdgewrightError as error:
            self.note(run_id, state=RunState.FAILED, error=error.message, result={"code": error.code}, ended=True)
            return {}
        except Exception as error:
            if not self._is_launched:
                raise  # its store was closed under it: it has not failed, it goes on at the next launch
            log.exception("run.failed", run=run_id, kind=kind)
            self.note(run_id, state=RunState.FAILED, error=f"{type(error).__name__}: {error}", ended=True)
            return {}
        self.note(run_id, state=RunState.DONE, fraction=1.0, result=result, ended=True)
        return {}

    def context(self, run_id: str, args: dict[str, Any], started_at: float) -> RunContext:
        """What the body of a run sees of it."""
        return RunContext(self, run_id, args, started_at)

    def _begin(self, kind: str, run_id: str) -> None:
        _, queue = self._bodies[kind]
        with SetWorkflowID(run_id):
            if queue:
                DBOS.enqueue_workflow(queue, _workflow, kind, run_id)
            else:
                DBOS.start_workflow(_workflow, kind, run_id)


_worker: list[Jobs] = []


@DBOS.workflow(name="run")
def _workflow(kind: str, run_id: str) -> dict[str, Any]:
    return _worker[0].perform(kind, run_id)


def _launch(jobs: Jobs, path: Path, places: Mapping[str, int]) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=20, max_overflow=20)

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    _worker[:] = [jobs]
    DBOS(
        config={
            "name": "edgewright",
            "system_database_url": f"sqlite:///{path}",
            "system_database_engine": engine,
            "application_version": "1",
            "executor_id": "local",
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "console_log_level": "WARNING",
            "notification_listener_polling_interval_sec": 0.1,
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    for queue, count in places.items():
        DBOS.register_queue(queue, worker_concurrency=count, polling_interval_sec=0.1, on_conflict="always_update")
    return engine
