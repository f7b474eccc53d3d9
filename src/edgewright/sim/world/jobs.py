"""Durable runs in virtual time: what a body has done is kept, and after each wait it is played again from there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import RunRecord, RunState
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.jobs import ENDED, Jobs, RunContext, run_table
from edgewright.sim.world.agenda import Agenda


class _Parked(BaseException):
    """A body waits. Not an Exception: nothing that handles errors handles it."""


@dataclass
class _Play:
    """One run: what its calls have returned so far, in order, and what wakes it."""

    done: list[Any] = field(default_factory=list)
    wakes: int = 0
    waits_until: float | None = None
    is_asked: bool = False  # a look at it is on the agenda


LEAST_WAIT_S = 30.0  # of a run: shorter waits would cost real time and show nothing else
WAKE_S = 1.0  # until a run that was woken looks: one look for all that has happened meanwhile


class Store:
    """What outlives a hub: the results of all runs' steps, as DBOS keeps them in its database."""

    def __init__(self) -> None:
        self.plays: dict[str, _Play] = {}


class VirtualJobs(Jobs):
    """Runs take no time but what they wait. Runs of the kinds in `idle` end at once, having done nothing."""

    def __init__(
        self,
        db: Database,
        events: Events,
        clock: Callable[[], float],
        agenda: Agenda,
        store: Store,
        idle: Collection[str] = (),
    ) -> None:
        super().__init__(db, events, clock)
        self._agenda = agenda
        self._store = store
        self._idle = idle

    def define(self, kind: str, body: Callable[[RunContext], dict[str, Any]], **places: Any) -> None:
        """As for real jobs; an idle kind has an empty body."""
        super().define(kind, (lambda context: {}) if kind in self._idle else body, **places)

    def launch(self, path: Path) -> None:
        """Begin to work: what another life of the hub left goes on."""
        self._is_launched = True
        self._events.subscribe("run.queued", lambda event: self._look(event.data["run_kind"], event.subject))
        query = sa.select(run_table.c.kind, run_table.c.id).where(run_table.c.state.not_in(ENDED))
        with self._db.read() as connection:
            waiting = connection.execute(query.order_by(run_table.c.started_at, run_table.c.id)).all()
        for kind, run_id in waiting:
            self._play(run_id).is_asked = False
            self._look(kind, run_id)

    def shut_down(self) -> None:
        """Stop; what is unfinished goes on in another hub on the same store."""
        self._is_launched = False

    def wake(self, run_id: str) -> None:
        """Wake a run that waits, or that will."""
        play = self._store.plays.get(run_id)
        if not self._is_launched or play is None:
            return
        play.wakes += 1
        if play.waits_until is not None:
            self._look("", run_id)

    def cancel(self, run_id: str) -> RunRecord:
        """End a run at its next step."""
        self.note(run_id, state=RunState.CANCELLED, ended=True)
        return self.get(run_id)

    def context(self, run_id: str, args: dict[str, Any], started_at: float) -> RunContext:
        """What the body sees: its calls so far give what they gave."""
        return _Context(self, run_id, args, started_at, self._play(run_id), self._agenda)

    def _play(self, run_id: str) -> _Play:
        return self._store.plays.setdefault(run_id, _Play())

    def _look(self, kind: str, run_id: str, moment: float | None = None) -> None:
        """Play a run at `moment`, or now."""
        play = self._play(run_id)
        if moment is None and play.is_asked:
            return
        play.is_asked = play.is_asked or moment is None
        self._agenda.at(moment or self._agenda.now + WAKE_S, lambda: self._go_on(kind, run_id, moment))

    def _go_on(self, kind: str, run_id: str, moment: float | None) -> None:
        play = self._play(run_id)
        if not self._is_launched or (moment is not None and play.waits_until != moment):
            return  # this hub is gone, or the run was woken before its time
        if moment is None:
            play.is_asked = False
        if play.waits_until is not None:
            play.done.append(play.wakes > 0)
            play.wakes, play.waits_until = 0, None
        kind = kind or self.get(run_id).kind
        try:
            self.perform(kind, run_id)
        except _Parked:
            self._look(kind, run_id, play.waits_until)
        self._events.deliver()


class _Context(RunContext):
    """A body's calls, played again up to the last one that was made."""

    def __init__(
        self, jobs: Jobs, run_id: str, args: dict[str, Any], started_at: float, play: _Play, agenda: Agenda
    ) -> None:
        super().__init__(jobs, run_id, args, started_at)
        self._own = play
        self._agenda = agenda
        self._place = 0

    def step(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        return self._once(lambda: act(*args))

    def report(
        self, step: str, fraction: float | None = None, *, state: RunState = RunState.RUNNING, log: str = ""
    ) -> None:
        self._once(lambda: super(_Context, self).report(step, fraction, state=state, log=log))

    def wait(self, timeout_s: float) -> bool:
        def park() -> bool:
            if self._own.wakes:
                self._own.wakes = 0
                return True
            self._own.waits_until = self._agenda.now + max(timeout_s, LEAST_WAIT_S)
            raise _Parked

        return bool(self._once(park))

    def _once(self, act: Callable[[], Any]) -> Any:
        if self._place == len(self._own.done):
            self._own.done.append(act())
        self._place += 1
        return self._own.done[self._place - 1]
