"""Waves as durable work: one run for each, which looks, decides, and starts the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import GateDraft, RolloutState, RunState
from edgewright.hub.db import Database, after_commit
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import SYSTEM, Audit
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import Action, Decision, DeviceFacts, EvidenceReader, WaveFacts, decide, health, judge
from edgewright.hub.rollout.model import (
    BROKEN,
    UNFINISHED,
    DeploymentState,
    WaveState,
    hold_s,
    next_state,
)
from edgewright.hub.rollout.packages import Packages
from edgewright.hub.rollout.records import Row, rollout_row, withdraw

ENDED = "ended"


class Waves:
    """Carries rollouts from wave to wave."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        jobs: Jobs,
        fleet: Fleet,
        packages: Packages,
        evidence: EvidenceReader,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._fleet = fleet
        self._packages = packages
        self._evidence = evidence
        self._listening_since = clock()
        jobs.define("wave", self._run_wave, is_heavy=False)

    def start(self, connection: sa.Connection, rollout: str, number: int, attempt: int = 1) -> None:
        """Start the run of a wave in this transaction; the same attempt again changes nothing."""
        run = f"{rollout}-wave-{number}" + (f"-{attempt}" if attempt > 1 else "")
        args = {"rollout": rollout, "wave": number, "attempt": attempt}
        self._jobs.start(connection, "wave", rollout, args, id=run, why=f"wave {number} of rollout {rollout}")
        connection.execute(sa.update(table.wave).where(_is(rollout, number)).values(run=run, attempt=attempt))

    def restart(self, connection: sa.Connection, rollout: str) -> None:
        """Start a new run for the wave at which a rollout stands, in this transaction; an older run of it ends."""
        wave = connection.execute(_unfinished(rollout)).first()
        if wave is not None:
            self.start(connection, rollout, wave.number, wave.attempt + 1)

    def wake(self, connection: sa.Connection, rollout: str) -> None:
        """Let the run of the wave at which a rollout stands look again once this transaction has committed."""
        wave = connection.execute(_unfinished(rollout)).first()
        if wave is not None and wave.run:
            after_commit(connection, lambda: self._jobs.wake(wave.run))

    def tick(self, rollout: str, number: int, attempt: int) -> dict[str, str]:
        """Look at a wave once and do what its gate says, in one transaction; a second time changes nothing.

        Returns the action ('ended' where this run has nothing to do any more) and the reason.
        """
        now = self._clock()
        seen = self._fleet.seen(self._devices(rollout, number))
        with self._db.write() as connection:
            head = rollout_row(connection, rollout)
            wave = connection.execute(sa.select(table.wave).where(_is(rollout, number))).mappings().one()
            is_ours = wave["attempt"] == attempt and wave["state"] in UNFINISHED
            if head["state"] != RolloutState.RUNNING or not is_ours:
                return {"action": ENDED, "reason": head["reason"]}
            if wave["state"] == WaveState.PENDING and now < head["deltas_due_at"]:
                return {"action": Action.HOLD, "reason": "deltas are being made"}
            if wave["state"] == WaveState.PENDING:
                self._open(connection, head, number, now)
            facts = self._facts(connection, rollout, number, {id: heard.at for id, heard in seen.items()})
            gate = msgspec.convert(head["gate"], GateDraft)
            counts = health(facts, gate, now)
            verdicts = judge(gate, self._evidence.read(connection, head, dict(wave), counts.committed, now), now)
            kept = sa.update(table.wave).where(_is(rollout, number)).values(verdicts=msgspec.to_builtins(verdicts))
            connection.execute(kept)
            decision = decide(counts, gate, verdicts)
            self._act(connection, head, number, decision, now)
        return {"action": decision.action, "reason": decision.reason}

    def end_deltas(self, rollout: str) -> None:
        """Say that deltas are made, or will not be: wave 1 need not wait any longer."""
        with self._db.write() as connection:
            query = sa.update(table.rollout).where(table.rollout.c.id == rollout)
            connection.execute(query.values(deltas_due_at=0.0))
            self.wake(connection, rollout)

    def _run_wave(self, context: RunContext) -> dict[str, Any]:
        rollout, number, attempt = (context.args[name] for name in ("rollout", "wave", "attempt"))
        shown, tick = "", 0
        while True:
            looked = context.step(f"tick-{tick}", self.tick, rollout, number, attempt)
            if looked["action"] != Action.HOLD:
                return {"rollout": rollout, "wave": number, **looked}
            if looked["reason"] != shown:
                shown = looked["reason"]
                context.report(shown, state=RunState.WAITING)
            context.wait(hold_s(tick))
            tick += 1

    def _devices(self, rollout: str, number: int) -> list[str]:
        of = table.deployment.c
        query = sa.select(of.device).where(of.rollout == rollout, of.wave == number)
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def _open(self, connection: sa.Connection, head: Row, number: int, now: float) -> None:
        values = {"state": WaveState.RUNNING, "started_at": now}
        connection.execute(sa.update(table.wave).where(_is(head["id"], number)).values(values))
        self._tell(connection, "rollout.wave_started", head, wave=number)

    def _facts(
        self, connection: sa.Connection, rollout: str, number: int, seen_at: dict[str, float | None]
    ) -> WaveFacts:
        of = table.deployment.c
        rows = connection.execute(sa.select(of.device, of.state).where(of.rollout == rollout, of.wave == number))
        devices = tuple(DeviceFacts(DeploymentState(row.state), seen_at.get(row.device)) for row in rows)
        late = (
            sa.select(sa.func.count())
            .select_from(table.deployment)
            .join(table.wave, sa.and_(table.wave.c.rollout == of.rollout, table.wave.c.number == of.wave))
            .where(of.rollout == rollout, of.wave < number, of.state.in_(BROKEN))
            .where(of.updated_at > table.wave.c.ended_at)
        )
        failures = connection.scalar(late) or 0
        return WaveFacts(devices, late_failures=failures, listening_since=self._listening_since)

    def _act(self, connection: sa.Connection, head: Row, number: int, decision: Decision, now: float) -> None:
        if decision.action is Action.HOLD:
            connection.execute(sa.update(table.wave).where(_is(head["id"], number)).values(reason=decision.reason))
        elif decision.action is Action.ADVANCE:
            self._end_wave(connection, head, number, WaveState.PASSED, decision.reason, now)
            self._go_on(connection, head, number + 1, now)
        else:
            self._end_wave(connection, head, number, WaveState.FAILED, decision.reason, now)
            self._halt(connection, head, f"wave {number}: {self._why(connection, head['id'], decision.reason)}", now)

    def _end_wave(
        self, connection: sa.Connection, head: Row, number: int, state: WaveState, reason: str, now: float
    ) -> None:
        values = {"state": state, "reason": reason, "ended_at": now}
        connection.execute(sa.update(table.wave).where(_is(head["id"], number)).values(values))
        self._tell(connection, f"rollout.wave_{state}", head, wave=number, reason=reason)

    def _go_on(self, connection: sa.Connection, head: Row, number: int, now: float) -> None:
        if connection.scalar(sa.select(table.wave.c.number).where(_is(head["id"], number))) is not None:
            self.start(connection, head["id"], number)
            return
        self._end(connection, head, RolloutState.DONE, "every wave has passed", now)

    def _halt(self, connection: sa.Connection, head: Row, reason: str, now: float) -> None:
        self._end(connection, head, RolloutState.HALTED, reason, now)
        of = table.deployment.c
        withdraw(connection, sa.and_(of.model == head["model"], of.counter == head["counter"]), reason, now)
        self._packages.mark_bad(connection, head["model"], head["counter"], reason)

    def _end(self, connection: sa.Connection, head: Row, state: RolloutState, reason: str, now: float) -> None:
        values = {"state": next_state(head["state"], state), "reason": reason, "ended_at": now}
        connection.execute(sa.update(table.rollout).where(table.rollout.c.id == head["id"]).values(values))
        self._tell(connection, f"rollout.{state}", head, reason=reason)

    def _why(self, connection: sa.Connection, rollout: str, reason: str) -> str:
        """The gate's reason, with what the first device that went wrong has said."""
        of = table.deployment.c
        query = sa.select(of.reason).where(of.rollout == rollout, of.wave > 0, of.state.in_(BROKEN), of.reason != "")
        said = connection.scalar(query.order_by(of.updated_at).limit(1))
        return f"{reason} ({said})" if said else reason

    def _tell(self, connection: sa.Connection, action: str, head: Row, **detail: Any) -> None:
        facts = {"model": head["model"], "counter": head["counter"], "version": head["version"]} | detail
        self._audit.record(connection, SYSTEM.name, action, head["id"], **facts)
        self._events.record(connection, action, head["id"], **facts)


def _unfinished(rollout: str) -> sa.Select[Any]:
    of = table.wave.c
    query = sa.select(of.number, of.attempt, of.run).where(of.rollout == rollout, of.state.in_(UNFINISHED))
    return query.order_by(of.number).limit(1)


def _is(rollout: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(table.wave.c.rollout == rollout, table.wave.c.number == number)
