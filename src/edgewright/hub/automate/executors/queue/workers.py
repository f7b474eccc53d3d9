"""Workers: machines that people let run tasks, each with a token of its own that opens nothing else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import Role
from edgewright.contract.api.tasks import Place
from edgewright.contract.api.workers import (
    Machine,
    TaskState,
    WorkAsk,
    WorkerDraft,
    WorkerRecord,
    WorkerReply,
    WorkerState,
    WorkReply,
)
from edgewright.contract.errors import NotLoggedIn
from edgewright.hub.automate.executors.model import UnknownWorker, WorkerExists, check_labels, check_worker
from edgewright.hub.automate.executors.queue import table
from edgewright.hub.automate.executors.queue.service import Tasks
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal

TOKEN = "eww_"  # noqa: S105 (how every token of a worker begins)
ACTOR = "worker/"
AWAY_S = 90.0
NO_TOKEN = "this worker's token is unknown, was taken back, or has ended"  # noqa: S105 (a sentence)

_of = table.worker.c


class Workers:
    """Who may run tasks, and what each is doing."""

    def __init__(self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], tasks: Tasks) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._tasks = tasks

    def add(self, principal: Principal, draft: WorkerDraft, *, dry_run: bool = False) -> WorkerReply:
        """Let a machine run tasks; its token is in the reply and nowhere else. Raises InvalidInput, WorkerExists."""
        check_worker(draft)
        token, now = TOKEN + secrets.token_urlsafe(32), self._clock()
        row: dict[str, Any] = {
            "name": draft.name,
            "labels": draft.labels,
            "models": list(draft.models),
            "machine": msgspec.to_builtins(Machine()),
            "is_draining": False,
            "created_by": principal.name,
            "created_at": now,
            "expires_at": now + draft.ttl_s,
        }
        with self._db.write() as connection:
            if connection.scalar(sa.select(_of.name).where(_of.name == draft.name)) is not None:
                raise WorkerExists(f"there is a worker '{draft.name}' already", field="name")
            record = _record({**row, "seen_at": None}, "", now)
            if dry_run:
                return WorkerReply(worker=record, token="")
            connection.execute(sa.insert(table.worker).values(**row, token_sha256=_sha256(token)))
            self._audit.record(connection, principal.name, "worker.add", draft.name, labels=draft.labels)
        return WorkerReply(worker=record, token=token)

    def workers(self) -> list[WorkerRecord]:
        """Every worker, by name."""
        now = self._clock()
        held = sa.select(table.task.c.holder, table.task.c.id).where(
            table.task.c.state == TaskState.TAKEN, table.task.c.kind == Place.WORKER
        )
        with self._db.read() as connection:
            tasks = {row.holder: row.id for row in connection.execute(held)}
            rows = connection.execute(sa.select(table.worker).order_by(_of.name)).mappings()
            return [_record(dict(row), tasks.get(row["name"], ""), now) for row in rows]

    def worker(self, name: str) -> WorkerRecord:
        """The worker of that name; raises UnknownWorker."""
        found = next((one for one in self.workers() if one.name == name), None)
        if found is None:
            raise UnknownWorker(f"there is no worker '{name[:80]}'", field="worker")
        return found

    def drain(self, principal: Principal, name: str, *, dry_run: bool = False) -> WorkerRecord:
        """Have a worker end once it has done what it has. Raises UnknownWorker."""
        record = self.worker(name)
        if dry_run:
            return msgspec.structs.replace(record, state=WorkerState.DRAINING)
        with self._db.write() as connection:
            connection.execute(sa.update(table.worker).where(_of.name == name).values(is_draining=True))
            self._audit.record(connection, principal.name, "worker.drain", name)
            self._events.record(connection, "task.freed", "", why=f"worker {name} drains")  # wakes who asks
        return self.worker(name)

    def remove(self, principal: Principal, name: str, *, dry_run: bool = False) -> WorkerRecord:
        """Take a worker's token back at once; what it had waits again. Raises UnknownWorker."""
        record = self.worker(name)
        if dry_run:
            return record
        with self._db.write() as connection:
            connection.execute(sa.delete(table.worker).where(_of.name == name))
            self._tasks.free(connection, name, f"worker {name} was taken off")
            self._audit.record(connection, principal.name, "worker.remove", name)
        return record

    def principal(self, token: str) -> Principal:
        """Which worker holds this token; raises NotLoggedIn."""
        query = sa.select(_of.name).where(_of.token_sha256 == _sha256(token), _of.expires_at > self._clock())
        with self._db.read() as connection:
            name = connection.scalar(query)
        if name is None:
            hint = "Make another: edgewright worker add NAME."
            raise NotLoggedIn(NO_TOKEN, field="authorization", hint=hint)
        return Principal(name=ACTOR + name, roles=(Role.WORKER,))

    def greet(self, principal: Principal, ask: WorkAsk) -> None:
        """Note that a worker is there, and what it tells of itself. Raises InvalidInput, UnknownWorker."""
        check_labels(ask.machine.labels)
        name = _name(principal)
        values = {"seen_at": self._clock(), "machine": msgspec.to_builtins(ask.machine)}
        with self._db.write() as connection:
            changed = connection.execute(sa.update(table.worker).where(_of.name == name).values(values)).rowcount
        if not changed:
            raise UnknownWorker(f"there is no worker '{name}'", field="worker")

    def look(self, principal: Principal) -> WorkReply:
        """A task for that worker, or word that there will be none, or neither. Raises UnknownWorker.

        While it has one it gets no other. What it held before it was restarted is another's once its lease has ended.
        """
        self._tasks.free_lost()
        record = self.worker(_name(principal))
        if record.state is WorkerState.DRAINING:
            return WorkReply(is_draining=True)
        if record.task:
            return WorkReply()
        return WorkReply(lease=self._tasks.take(record.name, record.labels, record.models))


def _record(row: dict[str, Any], task: str, now: float) -> WorkerRecord:
    machine = msgspec.convert(row["machine"], Machine)
    return WorkerRecord(
        name=row["name"],
        state=_state(row, task, now),
        labels={**machine.labels, **row["labels"]},
        models=tuple(row["models"]),
        task=task,
        cpus=machine.cpus,
        memory_bytes=machine.memory_bytes,
        program=machine.program,
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        seen_at=row["seen_at"],
    )


def _state(row: dict[str, Any], task: str, now: float) -> WorkerState:
    if row["is_draining"]:
        return WorkerState.DRAINING
    if task:
        return WorkerState.BUSY
    is_near = row["seen_at"] is not None and now - row["seen_at"] <= AWAY_S
    return WorkerState.IDLE if is_near else WorkerState.AWAY


def _name(principal: Principal) -> str:
    return principal.name.removeprefix(ACTOR)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
