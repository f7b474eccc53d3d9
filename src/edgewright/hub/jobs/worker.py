"""The worker under the runs: DBOS Transact, on a SQLite file of its own or in the hubs' PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID

from edgewright.hub.db import PRAGMAS, Database, session_of

log = structlog.get_logger()

POLL_S = 0.1
SELDOM_S = 0.5
"""A queue that is asked ten times a second costs up to 5 % of a core: those of long runs can wait."""
FIRST = "work"
SCHEMA = "dbos"
ALONE = "local"
"""The name of the worker of a hub that shares its runs with no other."""

Perform = Callable[[str, str], dict[str, Any]]
"""Does the work of a run, given its kind and its id."""

_perform: list[Perform] = []


@DBOS.workflow(name="run")
def _workflow(kind: str, run_id: str) -> dict[str, Any]:
    return _perform[0](kind, run_id)


def launch(db: Database, path: Path, perform: Perform, places: Mapping[str, int | None]) -> sa.Engine:
    """Start the worker, whose runs a crash may have cut off; `places` says how many of each queue go at once here.

    Returns the engine that it uses, which the caller disposes of after `DBOS.destroy`.
    """
    engine = _shared_engine(db) if db.is_shared else _own_engine(path)
    _perform[:] = [perform]
    DBOS(
        config={
            "name": "edgewright",
            "system_database_url": engine.url.render_as_string(hide_password=False),
            "system_database_engine": engine,
            "dbos_system_schema": SCHEMA,
            "application_version": "1",
            "executor_id": db.id if db.is_shared else ALONE,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "console_log_level": "WARNING",
            "notification_listener_polling_interval_sec": POLL_S,
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    for queue, count in places.items():
        poll_s = POLL_S if queue == FIRST else SELDOM_S
        DBOS.register_queue(queue, worker_concurrency=count, polling_interval_sec=poll_s, on_conflict="always_update")
    return engine


def begin(kind: str, run_id: str, queue: str) -> None:
    """Have a run done, once, however often it is begun: from `queue` by whoever has a place, or here at once if ""."""
    with SetWorkflowID(run_id):
        if queue:
            DBOS.enqueue_workflow(queue, _workflow, kind, run_id)
        else:
            DBOS.start_workflow(_workflow, kind, run_id)


def hand_on(living: Callable[[], Collection[str]]) -> int:
    """Queue again what workers have begun that are not among the `living`; returns how many runs that were.

    One that was taken for dead and goes on can save nothing more of these runs: DBOS lets their new owner alone.
    """
    begun = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    alive = set(living())  # looked at last: a worker is there before it begins anything
    orphans = [run for run in begun if run.executor_id not in alive]
    for run in orphans:
        log.info("jobs.handed_on", run=run.workflow_id, worker=run.executor_id)
        DBOS.resume_workflow(run.workflow_id, queue_name=run.queue_name)
    return len(orphans)


def _shared_engine(db: Database) -> sa.Engine:
    return sa.create_engine(
        db.engine.url,
        pool_size=20,
        max_overflow=40,
        pool_pre_ping=True,
        connect_args=session_of(db.engine.url, db.session_name),
    )


def _own_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=20, max_overflow=20)

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    return engine
