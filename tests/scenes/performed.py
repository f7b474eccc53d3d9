"""Runs without DBOS, in this thread: results of steps are kept as DBOS keeps them, and power can be cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import RunState
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.jobs import Jobs, RunContext, run_table


class PowerCut(BaseException):
    """Everything that was not saved is gone."""


class Stuck(Exception):
    """A run waits, and nothing is left to be done."""


class Performed(Jobs):
    """Queues runs as ever; `work` does them, one after the other, until none can go on."""

    def __init__(self, db, events, clock) -> None:
        super().__init__(db, events, clock)
        self.bodies: dict[str, Callable[[RunContext], dict[str, Any]]] = {}
        self.saved: dict[str, list[Any]] = {}
        self.cut_at = -1  # the step, of all runs', at which power goes
        self.taken = 0
        self.waits = 0  # how often a run may wait for people while nothing else is to be done
        self.on_wait: Callable[[str], None] = lambda run: None

    def define(self, kind, body, *, is_heavy=True, at_once=0):
        self.bodies[kind] = body

    def arguments(self, run):
        """What a queued run was given."""
        with self._db.read() as connection:
            return connection.scalar(sa.select(run_table.c.args).where(run_table.c.id == run))

    def work(self) -> None:
        """Do every run that has not ended; raises PowerCut."""
        while run := self._next():
            self.do(run)

    def do(self, id: str) -> None:
        """Do one run to its end."""
        record = self.get(id)
        context = Context(self, id, self.arguments(id), record.started_at)
        self.note(id, state=RunState.RUNNING)
        try:
            result = self.bodies[record.kind](context)
        except EdgewrightError as error:
            self.note(id, state=RunState.FAILED, error=error.message, result={"code": error.code}, ended=True)
        else:
            self.note(id, state=RunState.DONE, fraction=1.0, result=result, ended=True)

    def _next(self, above: str = "") -> str:
        waiting = [run for run in self.runs() if not run.state.is_ended and run.id != above]
        queued = [run for run in waiting if run.state is RunState.QUEUED] or waiting
        return queued[-1].id if queued else ""


class Context(RunContext):
    """A run as its body sees it, whose steps are saved by their place."""

    def __init__(self, jobs: Performed, id, args, started_at) -> None:
        super().__init__(jobs, id, args, started_at)
        self._work = jobs
        self._place = 0
        self._may_be_over = bool(jobs.saved.get(id))  # what it waited for may have happened before the cut

    def step(self, name, act, *args):
        saved = self._work.saved.setdefault(self.id, [])
        place, self._place = self._place, self._place + 1
        if place < len(saved):
            kept, said = saved[place]
            assert kept == name, f"replayed {name}, which was {kept}"
            return json.loads(said)
        self._cut()
        result = act(*args)
        self._cut()
        saved.append((name, json.dumps(result)))
        return result

    def wait(self, timeout_s):
        saved = self._work.saved.setdefault(self.id, [])
        place, self._place = self._place, self._place + 1
        if place == len(saved):
            saved.append(("wait", json.dumps(self._wait())))
        return json.loads(saved[place][1])

    def _wait(self):
        other = self._work._next(self.id)
        if other and other.startswith(self.id):
            self._work.do(other)
            return True
        if self._may_be_over:
            self._may_be_over = False
            return False
        if self._work.waits <= 0:
            raise Stuck(self._work.get(self.id).step)
        self._work.waits -= 1
        self._work.on_wait(self.id)
        return True

    def _cut(self):
        if self._work.taken == self._work.cut_at:
            self._work.taken += 1
            raise PowerCut
        self._work.taken += 1
