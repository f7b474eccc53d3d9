"""The durable queue of tasks that are done elsewhere: by workers, on a Ray cluster, in one's own CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api.tasks import Finished, Place, Task
from edgewright.contract.api.workers import Beat, BeatReply, Lease, Stored, TaskRecord, TaskState
from edgewright.hub.automate.executors.model import (
    MAX_ATTEMPTS,
    AlreadyEnded,
    LeaseLost,
    UnknownTask,
    bounded,
    check_finished,
    check_output_size,
    fits,
    is_repeated,
    longer_log,
)
from edgewright.hub.automate.executors.queue import table
from edgewright.hub.automate.executors.queue.grants import MARGIN_S, Grants, Scope
from edgewright.hub.data import check_paths
from edgewright.hub.db import Database
from edgewright.hub.events import Events

LEASE_S = 45.0
FIRST_LEASE_S = 10.0
"""Until the first beat, which comes at once: whoever asked may have gone before the task reached it."""
BEAT_S = 2.0
GRACE_S = 120.0
"""How much later than its time limit a task must have ended: it fetches before, and brings what it left after."""
NEWS = ("task.queued", "task.freed", "task.ended")

_of = table.task.c


class Tasks:
    """Tasks wait, are taken, beat, and end, each once.

    Whoever has taken a task holds an attempt at it. When its lease ends without a beat, the task waits again, the next
    who takes it gets the next attempt, and what the former still says is refused with LeaseLost.
    """

    def __init__(self, db: Database, events: Events, clock: Callable[[], float], grants: Grants) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._grants = grants

    # -- who wants a task done

    def put(self, task: Task) -> TaskRecord:
        """Have a task wait for who can do it; the same id again changes nothing."""
        with self._db.write() as connection:
            if connection.scalar(sa.select(_of.id).where(_of.id == task.id)) is None:
                row = {"id": task.id, "kind": task.where.kind, "record": msgspec.to_builtins(task)}
                values = {**row, "state": TaskState.WAITING, "queued_at": self._clock()}
                connection.execute(sa.insert(table.task).values(values))
                self._events.record(connection, "task.queued", task.id)
        return self.get(task.id)

    def get(self, id: str) -> TaskRecord:
        """The task of that id; raises UnknownTask."""
        with self._db.read() as connection:
            return _record(_row(connection, id))

    def tasks(self, limit: int = 200) -> list[TaskRecord]:
        """The newest first."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.task).order_by(_of.queued_at.desc()).limit(limit)).mappings()
            return [_record(row) for row in rows]

    def log(self, id: str, known_chars: int) -> tuple[str, int]:
        """What a task has said after its first `known_chars` characters, as far as it is kept, and where that ends."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(_of.log, _of.log_chars).where(_of.id == id)).one()
        new = row.log_chars - known_chars
        return (row.log[-new:] if new > 0 else ""), row.log_chars

    def say_why(self, id: str, why: str) -> None:
        """Tell people what a waiting task waits for."""
        with self._db.write() as connection:
            is_waiting = sa.and_(_of.id == id, _of.state == TaskState.WAITING)
            connection.execute(sa.update(table.task).where(is_waiting).values(why=why))

    def stop(self, id: str, finished: Finished) -> TaskRecord:
        """End a task from this side; one that has ended stays as it ended."""
        with self._db.write() as connection:
            row = _row(connection, id)
            if row["state"] != TaskState.ENDED:
                self._end(connection, id, finished)
        return self.get(id)

    def adopt(self, id: str, holder: str) -> TaskRecord:
        """Take a waiting task for a job that has no leases: its own service says how it is."""
        with self._db.write() as connection:
            row = _row(connection, id)
            if row["state"] == TaskState.WAITING:
                self._take(connection, id, row["attempt"] + 1, holder, None)
        return self.get(id)

    def name_holder(self, id: str, holder: str) -> None:
        """Note in other words who holds a task."""
        with self._db.write() as connection:
            held = sa.and_(_of.id == id, _of.state == TaskState.TAKEN)
            connection.execute(sa.update(table.task).where(held).values(holder=holder))

    def grant(self, record: TaskRecord, task: Task, scope: Scope) -> str:
        """What opens the doors of that attempt for `scope`; the same each time."""
        until = (record.taken_at or record.queued_at) + task.limits.timeout_s + MARGIN_S
        return self._grants.make(task.id, record.attempt, scope, until)

    def task(self, id: str) -> Task:
        """What is to be done; raises UnknownTask."""
        with self._db.read() as connection:
            return msgspec.convert(_row(connection, id)["record"], Task)

    # -- who does it

    def take(self, worker: str, labels: Mapping[str, str], models: Sequence[str]) -> Lease | None:
        """The oldest task that a worker with these labels may do, for it alone; None if there is none."""
        waiting = sa.and_(_of.state == TaskState.WAITING, _of.kind == Place.WORKER)
        query = sa.select(_of.id, _of.attempt, _of.record).where(waiting).order_by(_of.queued_at, _of.id)
        if not self._is_any_waiting():
            return None
        with self._db.write() as connection:
            self._free_lost(connection)
            for row in connection.execute(query):
                task = msgspec.convert(row.record, Task)
                if fits(task, labels, models):
                    lease_until = self._clock() + FIRST_LEASE_S
                    taken_at = self._take(connection, task.id, row.attempt + 1, worker, lease_until)
                    until = taken_at + task.limits.timeout_s + MARGIN_S
                    grant = self._grants.make(task.id, row.attempt + 1, Scope.ALL, until)
                    return Lease(task=task, attempt=row.attempt + 1, grant=grant, lease_s=LEASE_S, beat_s=BEAT_S)
        return None

    def free_lost(self) -> None:
        """Have tasks wait again whose worker has not beaten in time."""
        if self._is_any_waiting():
            with self._db.write() as connection:
                self._free_lost(connection)

    def free(self, connection: sa.Connection, worker: str, why: str) -> None:
        """Have what a worker holds wait again, in this transaction."""
        held = sa.and_(_of.state == TaskState.TAKEN, _of.kind == Place.WORKER, _of.holder == worker)
        for id in list(connection.scalars(sa.select(_of.id).where(held))):
            self._wait_again(connection, id, why)

    def beat(self, id: str, grant: str, beat: Beat) -> BeatReply:
        """Hear that a task goes on, and what it says. Raises BadGrant, LeaseLost."""
        with self._db.write() as connection:
            row = self._held(connection, id, grant, Scope.WRITE)
            log, log_chars = longer_log(row["log"], row["log_chars"], beat.log, beat.log_from)
            values: dict[str, Any] = {"log": log, "log_chars": log_chars}
            if row["lease_until"] is not None:
                values["lease_until"] = self._clock() + LEASE_S
            connection.execute(sa.update(table.task).where(_of.id == id).values(values))
        return BeatReply(is_wanted=True, log_to=log_chars)

    def may_read(self, id: str, grant: str, sha256: str) -> None:
        """Raise BadGrant, LeaseLost or UnknownTask unless whoever holds `grant` may fetch that input."""
        with self._db.read() as connection:
            row = self._held(connection, id, grant, Scope.READ)
        if sha256 not in {file.sha256 for file in msgspec.convert(row["record"], Task).inputs}:
            raise UnknownTask(f"task {id} has no input {sha256}", field="sha256", hint="Its inputs are in the task.")

    def described(self, id: str, grant: str) -> tuple[TaskRecord, Task]:
        """The task as who holds `grant` may see it. Raises BadGrant, LeaseLost."""
        with self._db.read() as connection:
            row = self._held(connection, id, grant, Scope.READ)
        return _record(row), msgspec.convert(row["record"], Task)

    def room_bytes(self, id: str, grant: str) -> int:
        """How much the holder of `grant` may still bring. Raises BadGrant, LeaseLost."""
        with self._db.read() as connection:
            row = self._held(connection, id, grant, Scope.WRITE)
            brought = self._brought(connection, id, row["attempt"])
        return msgspec.convert(row["record"], Task).limits.output_bytes - sum(brought.values())

    def bring(self, id: str, grant: str, stored: Stored) -> None:
        """Note an output that is in the blobs now. Raises BadGrant, LeaseLost, TooMuchOutput."""
        with self._db.write() as connection:
            row = self._held(connection, id, grant, Scope.WRITE)
            brought = self._brought(connection, id, row["attempt"])
            if stored.sha256 in brought:
                return
            check_output_size(msgspec.convert(row["record"], Task), sum(brought.values()) + stored.size_bytes)
            facts = {"task": id, "attempt": row["attempt"], "sha256": stored.sha256, "size_bytes": stored.size_bytes}
            connection.execute(sa.insert(table.task_output).values(facts))

    def end(self, id: str, grant: str, finished: Finished) -> TaskRecord:
        """Take the outcome of a task from who has done it; the same again changes nothing.

        Raises BadGrant, LeaseLost, AlreadyEnded for another outcome, InvalidInput and TooMuchOutput for outputs that
        were not asked for, not brought, or are too much.
        """
        with self._db.write() as connection:
            row = _row(connection, id)
            attempt = self._grants.check(grant, id, Scope.END, self._clock())
            task = msgspec.convert(row["record"], Task)
            told = bounded(finished, f"worker {row['holder']}" if row["kind"] == Place.WORKER else row["holder"])
            if row["state"] == TaskState.ENDED and row["attempt"] == attempt:
                if not is_repeated(msgspec.convert(row["finished"], Finished), told):
                    raise AlreadyEnded(f"task {id} has ended already, in another way", field="task")
                return _record(row)
            self._held(connection, id, grant, Scope.END)
            check_paths(told.outputs, "outputs.path")
            check_finished(task, told, self._brought(connection, id, attempt))
            self._end(connection, id, told)
            return _record(_row(connection, id))

    def give_back(self, id: str, grant: str, why: str) -> TaskRecord:
        """Have a task wait again that its holder cannot go on with. Raises BadGrant, LeaseLost."""
        with self._db.write() as connection:
            row = self._held(connection, id, grant, Scope.ALL)
            self._wait_again(connection, id, f"{row['holder']} gave it back: {why[:200]}")
            return _record(_row(connection, id))

    # -- below

    def _held(self, connection: sa.Connection, id: str, grant: str, scope: Scope) -> sa.RowMapping:
        """The row of a task that is held by who holds `grant`; raises UnknownTask, BadGrant, LeaseLost."""
        row = _row(connection, id)
        attempt = self._grants.check(grant, id, scope, self._clock())
        if row["state"] == TaskState.ENDED:
            raise LeaseLost(f"task {id} has ended: {row['why'] or 'done'}", field="task")
        if row["state"] != TaskState.TAKEN or row["attempt"] != attempt:
            raise LeaseLost(f"task {id} was taken from attempt {attempt}: it is {_told_place(row)}", field="task")
        return row

    def _take(self, connection: sa.Connection, id: str, attempt: int, holder: str, lease_until: float | None) -> float:
        now = self._clock()
        values = {"state": TaskState.TAKEN, "attempt": attempt, "holder": holder, "taken_at": now, "why": ""}
        connection.execute(sa.update(table.task).where(_of.id == id).values(**values, lease_until=lease_until))
        return now

    def _free_lost(self, connection: sa.Connection) -> None:
        lost = sa.and_(_of.state == TaskState.TAKEN, _of.lease_until < self._clock())
        for row in list(connection.execute(sa.select(_of.id, _of.attempt, _of.holder).where(lost))):
            why = f"{row.holder} was not heard of in time"
            if row.attempt >= MAX_ATTEMPTS:
                reason = f"was begun {row.attempt} times, and each time its worker was lost: {why}"
                self._end(connection, row.id, Finished(reason=reason, where=f"worker {row.holder}"))
            else:
                self._wait_again(connection, row.id, why)

    def _wait_again(self, connection: sa.Connection, id: str, why: str) -> None:
        values = {"state": TaskState.WAITING, "holder": "", "lease_until": None, "taken_at": None, "why": why}
        connection.execute(sa.update(table.task).where(_of.id == id).values(**values))
        self._events.record(connection, "task.freed", id, why=why)

    def _end(self, connection: sa.Connection, id: str, finished: Finished) -> None:
        values = {"state": TaskState.ENDED, "why": finished.reason, "ended_at": self._clock(), "lease_until": None}
        values["finished"] = msgspec.to_builtins(finished)
        connection.execute(sa.update(table.task).where(_of.id == id).values(values))
        connection.execute(sa.delete(table.task_output).where(table.task_output.c.task == id))
        self._events.record(connection, "task.ended", id, is_ok=finished.is_ok)

    def _brought(self, connection: sa.Connection, id: str, attempt: int) -> dict[str, int]:
        of = table.task_output.c
        rows = connection.execute(sa.select(of.sha256, of.size_bytes).where(of.task == id, of.attempt == attempt))
        return {row.sha256: row.size_bytes for row in rows}

    def _is_any_waiting(self) -> bool:
        """Whether a look at the queue could find something: asked by reading, which holds nobody up."""
        query = sa.select(_of.id).where(_of.kind == Place.WORKER, _of.state != TaskState.ENDED).limit(1)
        with self._db.read() as connection:
            return connection.scalar(query) is not None


def _row(connection: sa.Connection, id: str) -> sa.RowMapping:
    row = connection.execute(sa.select(table.task).where(_of.id == id)).mappings().first()
    if row is None:
        raise UnknownTask(f"there is no task '{id[:200]}'", field="task")
    return row


def _record(row: sa.RowMapping) -> TaskRecord:
    task = msgspec.convert(row["record"], Task)
    names = ("id", "state", "why", "holder", "attempt", "queued_at", "taken_at", "ended_at", "finished")
    facts = {name: row[name] for name in names}
    return msgspec.convert(
        {**facts, "run": task.run, "model": task.model, "step": task.step, "where": task.where}, TaskRecord
    )


def _told_place(row: sa.RowMapping) -> str:
    if row["state"] == TaskState.WAITING:
        return "waiting again"
    return f"with {row['holder']} as attempt {row['attempt']}"
