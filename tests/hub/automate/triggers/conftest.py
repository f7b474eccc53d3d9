"""Triggers on a real database, with a clock and a queue that the test holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from edgewright.contract.api import OccasionRecord, OnAlert, RunState, TriggerDraft
from edgewright.contract.errors import NotFound, Refused
from edgewright.hub.automate.triggers import Firing, Listening, Triggers
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs

START = 1_772_625_600.0  # Wednesday, 4 March 2026, 12:00 UTC
MODELS = ("lines", "wine")


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Scene:
    """One hub's triggers. `begun` are the runs that they have started, `solved` the alerts that were resolved."""

    def __init__(self, db: Database, clock: Clock, events: Events, audit: Audit, ana: Principal) -> None:
        self.db, self.clock, self.events, self.ana = db, clock, events, ana
        self.jobs = Jobs(db, events, clock)
        self.jobs.define("pipeline", lambda context: {}, is_heavy=False)
        self.begun: list[tuple[str, str]] = []
        self.solved: set[str] = set()
        self.is_stopped = False
        self.broken: set[str] = set()
        self.firing = Firing(db, events, audit, clock, self._begin, self._is_live)
        self.triggers = Triggers(db, audit, clock, self.firing, self._check, lambda: b"key")
        self.listening = Listening(db, events, clock, self.firing, lambda: b"key")

    def set(self, **changes) -> TriggerDraft:
        """Set a trigger on alerts of `lines`, or whatever `changes` say."""
        facts = {"name": "t", "model": "lines", "when": OnAlert(), "cooldown_s": 0.0}
        draft = TriggerDraft(**(facts | changes))
        self.triggers.put(self.ana, draft)
        return draft

    def tell(self, kind: str, subject: str, /, **facts) -> None:
        """Something happens, and everybody hears of it."""
        with self.db.write() as connection:
            self.events.record(connection, kind, subject, **facts)
        self.events.deliver()

    def alert(self, id: str, model: str = "lines", **facts) -> None:
        self.tell("observe.alert", id, **({"alert": id, "model": model, "version": 1, "kind": "data_drift"} | facts))

    def label(self, count: int, model: str = "lines", request: str = "") -> None:
        self.tell("data.labelled", model, model=model, request=request, count=count)

    def pass_time(self, seconds: float) -> None:
        """Time passes, and the hub looks at the clock at its end."""
        self.clock.now += seconds
        self.listening.look()

    def end(self, run: str) -> None:
        """A run ends, and everybody hears of it."""
        self.jobs.note(run, state=RunState.DONE, ended=True)
        self.events.deliver()

    def history(self, name: str = "t") -> list[OccasionRecord]:
        """What became of its occasions, oldest first."""
        return self.triggers.history(name)[::-1]

    def states(self, name: str = "t") -> list[str]:
        return [record.state for record in self.history(name)]

    def _begin(self, connection: sa.Connection, principal: str, trigger: TriggerDraft, occasion, why: str) -> str:
        if trigger.name in self.broken:
            raise RuntimeError("a mistake of ours")
        if self.is_stopped:
            raise Refused("a policy says no", field="policy")
        run = self.jobs.start(connection, "pipeline", trigger.model, {}, why=why)
        self.begun.append((run, principal))
        return run

    def _is_live(self, connection: sa.Connection, ids: Sequence[str]) -> bool:
        return not self.solved.issuperset(ids)

    def _check(self, trigger: TriggerDraft) -> None:
        if trigger.model not in MODELS:
            raise NotFound(f"no pipeline is stored for model '{trigger.model}'", field="model")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def scene(db, clock, events, audit, ana):
    return Scene(db, clock, events, audit, ana)


@pytest.fixture
def another(tmp_path, scene, keys, ana) -> Callable[[], Scene]:
    """Makes another hub on the same database: one that was started after the first was killed, or beside it."""
    made = []

    def make() -> Scene:
        made.append(Database(str(scene.db.engine.url.render_as_string(hide_password=False))))
        events = Events(made[-1], scene.clock)
        return Scene(made[-1], scene.clock, events, Audit(made[-1], scene.clock, keys.audit), ana)

    yield make
    for database in made:
        database.close()
