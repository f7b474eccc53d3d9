"""Waves as durable work: one run for each, which looks, admits, decides, and starts the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import GateDraft, GateVerdict, ReleaseState, RolloutState, RunState, ScheduleDraft
from edgewright.hub.db import Database, after_commit
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import SYSTEM, Audit
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import Action, Decision, EvidenceReader, Health, decide, judge
from edgewright.hub.rollout.model import (
    BROKEN,
    OPEN,
    OUT,
    UNDER_WAY,
    UNFINISHED,
    DeploymentState,
    WaveState,
    next_state,
)
from edgewright.hub.rollout.packages import Packages
from edgewright.hub.rollout.records import Row, rollout_row
from edgewright.hub.rollout.running import ledger
from edgewright.hub.rollout.running.desk import Desk, Served
from edgewright.hub.rollout.running.presence import Presence
from edgewright.hub.rollout.running.starting import gate_of, is_of_one_device

ENDED = "ended"
SOON_S, CALM_S, LONG_S = 2.0, 10.0, 60.0
"""How long a wave waits between looks unless something wakes it: at first, after a while, and while it soaks."""
LONGEST_S = 600.0


class Looked(NamedTuple):
    """What a look at a wave came to ('ended': its run has nothing more to do), and how long to wait for the next."""

    action: str
    reason: str
    wait_s: float = 0.0


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
        desk: Desk,
        evidence: EvidenceReader,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._packages = packages
        self._desk = desk
        self._evidence = evidence
        self._presence = Presence(fleet, clock())
        jobs.define("wave", self._run_wave, is_heavy=False)

    def start(self, connection: sa.Connection, rollout: str, number: int, attempt: int = 1) -> None:
        """Start the run of a wave in this transaction; the same attempt again changes nothing."""
        run = f"{rollout}-wave-{number}" + (f"-{attempt}" if attempt > 1 else "")
        args = {"rollout": rollout, "wave": number, "attempt": attempt}
        self._jobs.start(connection, "wave", rollout, args, id=run, why=f"wave {number} of rollout {rollout}")
        connection.execute(sa.update(table.wave).where(_is(rollout, number)).values(run=run, attempt=attempt))

    def restart(self, connection: sa.Connection, rollout: str) -> None:
        """Start a new run for the wave at which a rollout stands, in this transaction; an older run of it ends.

        A rollout whose last wave was taken back while it was paused has none any more, and ends.
        """
        wave = connection.execute(_unfinished(rollout)).first()
        if wave is not None:
            self.start(connection, rollout, wave.number, wave.attempt + 1)
        else:
            self.end_if_over(connection, rollout, "its last wave was rolled back")

    def end_if_over(self, connection: sa.Connection, rollout: str, reason: str) -> bool:
        """End a rollout that runs, if it has no wave left, in this transaction: aborted where none has passed."""
        if connection.execute(_unfinished(rollout)).first() is not None:
            return False
        of, head = table.wave.c, rollout_row(connection, rollout)
        passed = sa.select(of.number).where(of.rollout == rollout, of.state == WaveState.PASSED).limit(1)
        state = RolloutState.ABORTED if connection.scalar(passed) is None else RolloutState.DONE
        self._end(connection, head, state, reason, self._clock())
        return True

    def wake(self, connection: sa.Connection, rollout: str) -> None:
        """Let the run of the wave at which a rollout stands look again once this transaction has committed."""
        wave = connection.execute(_unfinished(rollout)).first()
        if wave is not None and wave.run:
            after_commit(connection, lambda: self._jobs.wake(wave.run))

    def tick(self, rollout: str, number: int, attempt: int) -> Looked:
        """Look at a wave once, admit who is due, and do what its gate says, in one transaction.

        A second time changes nothing but for the time that has passed. Its cost grows with what has changed and with
        how many it admits, not with the wave.
        """
        now = self._clock()
        with self._db.write() as connection:
            head = rollout_row(connection, rollout)
            wave = connection.execute(sa.select(table.wave).where(_is(rollout, number))).mappings().one()
            is_ours = wave["attempt"] == attempt and wave["state"] in UNFINISHED
            if head["state"] != RolloutState.RUNNING or not is_ours:
                return Looked(ENDED, head["reason"])
            if wave["state"] == WaveState.PENDING:
                if (waits := _not_yet(head, now)) is not None:
                    return waits
                self._open(connection, head, number, now)
            return self._look(connection, head, dict(wave), now)

    def promote(self, connection: sa.Connection, rollout: str, reason: str) -> int:
        """Pass the wave at which a rollout stands, in this transaction; returns its number, or 0 if none has begun."""
        now, head = self._clock(), rollout_row(connection, rollout)
        wave = connection.execute(_unfinished(rollout)).first()
        if wave is None or wave.state == WaveState.PENDING:
            return 0
        self._pass(connection, head, wave.number, reason, now, ending=f"wave {wave.number}, the last: {reason}")
        after_commit(connection, lambda: self._jobs.wake(wave.run))
        return int(wave.number)

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
            looked = Looked(**context.step(f"tick-{tick}", lambda: self.tick(rollout, number, attempt)._asdict()))
            if looked.action != Action.HOLD:
                return {"rollout": rollout, "wave": number, "action": looked.action, "reason": looked.reason}
            if looked.reason != shown:
                shown = looked.reason
                context.report(shown, state=RunState.WAITING)
            if looked.wait_s > 0:
                context.wait(looked.wait_s)
            tick += 1

    def _look(self, connection: sa.Connection, head: Row, wave: dict[str, Any], now: float) -> Looked:
        gate, number = gate_of(head, wave), wave["number"]
        self._desk.end_leases(connection, now)
        counts = ledger.tally(connection, head["id"])
        started = [one for one in sorted(counts) if 0 < one <= number and counts[one][DeploymentState.PENDING]]
        served = self._desk.serve(connection, head, started, gate.patience_s, now)
        counts = ledger.tally(connection, head["id"])
        seen = self._health(connection, head, wave, counts, gate, now)
        if not seen.size and (ended := self._end_deserted(connection, head, number, now)):
            return ended
        if wave["committed_at"] is None and decide(seen, gate).action is Action.ADVANCE:
            wave["committed_at"] = now
        evidence = self._evidence.read(connection, head, wave, counts.get(number, Counter()), now)
        verdicts = judge(gate, evidence, now)
        decision = decide(seen, gate, verdicts)
        if decision.action is Action.ADVANCE:
            decision = _ripe(wave, decision, now)
        self._act(connection, head, wave, decision, verdicts, now)
        if decision.action is not Action.HOLD:
            return Looked(decision.action, decision.reason)
        return Looked(decision.action, decision.reason, _wait_s(wave, served, counts[number], now))

    def _end_deserted(self, connection: sa.Connection, head: Row, number: int, now: float) -> Looked | None:
        """End a rollout nobody of whose wave is left, where that leaves it without any sense; None where it goes on."""
        if is_of_one_device(head):
            reason = "its device is held back, gets something newer, or has left"
            self._end_wave(connection, head, number, WaveState.FAILED, reason, now)
            self._end_alone(connection, head, RolloutState.ABORTED, reason, now)
            return Looked(ENDED, reason)
        release = self._packages.release(head["model"], head["counter"])
        if release.state is not ReleaseState.BAD:
            return None
        reason = f"release {release.id} is bad: {release.bad_reason}"
        self._end_wave(connection, head, number, WaveState.FAILED, reason, now)
        self._halt(connection, head, reason, now)
        return Looked(Action.ROLL_BACK, reason)

    def _health(
        self,
        connection: sa.Connection,
        head: Row,
        wave: Row,
        counts: Mapping[int, Counter[DeploymentState]],
        gate: GateDraft,
        now: float,
    ) -> Health:
        """The counts of a wave; with those of earlier waves that went wrong after their wave had passed."""
        own, number = counts.get(wave["number"], Counter()), wave["number"]
        of = table.wave.c
        ended = sa.select(of.number, of.failed_at_end).where(of.rollout == head["id"], of.number < number)
        late = sum(_failed(counts.get(row.number, Counter())) - row.failed_at_end for row in connection.execute(ended))
        open_ = sum(own[state] for state in OPEN)
        is_at_it = open_ > 0 and self._presence.is_anybody_there(connection, head["id"], number, gate.patience_s, now)
        return Health(
            size=wave["size"] - sum(own[state] for state in OUT),
            committed=own[DeploymentState.COMMITTED],
            failed=_failed(own) + max(0, late),
            waiting=open_ if is_at_it else 0,
            away=0 if is_at_it else open_,
            committed_before=sum(counts[one][DeploymentState.COMMITTED] for one in counts if 0 < one < number),
        )

    def _open(self, connection: sa.Connection, head: Row, number: int, now: float) -> None:
        values = {"state": WaveState.RUNNING, "started_at": now}
        connection.execute(sa.update(table.wave).where(_is(head["id"], number)).values(values))
        self._tell(connection, "rollout.wave_started", head, wave=number)

    def _act(
        self,
        connection: sa.Connection,
        head: Row,
        wave: dict[str, Any],
        decision: Decision,
        verdicts: tuple[GateVerdict, ...],
        now: float,
    ) -> None:
        number = wave["number"]
        self._note(connection, head, wave, decision, verdicts)
        if decision.action is Action.ADVANCE:
            self._pass(connection, head, number, decision.reason, now)
        elif decision.action is Action.ROLL_BACK:
            self._end_wave(connection, head, number, WaveState.FAILED, decision.reason, now)
            reason = f"wave {number}: {self._why(connection, head['id'], decision.reason)}"
            if is_of_one_device(head):
                self._end_alone(connection, head, RolloutState.HALTED, reason, now)
            else:
                self._halt(connection, head, reason, now)

    def _note(
        self,
        connection: sa.Connection,
        head: Row,
        wave: dict[str, Any],
        decision: Decision,
        verdicts: tuple[GateVerdict, ...],
    ) -> None:
        """Keep what was seen, where it has changed; a wave that only a person lets go on says so."""
        is_waiting = decision.action is Action.HOLD and wave["state"] == WaveState.WAITING
        values = {"reason": decision.reason, "verdicts": msgspec.to_builtins(verdicts)}
        values |= {
            "committed_at": wave["committed_at"],
            "state": WaveState.WAITING if is_waiting else WaveState.RUNNING,
        }
        of = _is(head["id"], wave["number"])
        old = connection.execute(sa.select(table.wave).where(of)).mappings().one()
        changed = {name: value for name, value in values.items() if old[name] != value}
        if changed:
            connection.execute(sa.update(table.wave).where(of).values(changed))
        if changed.get("state") == WaveState.WAITING:
            self._tell(connection, "rollout.wave_waiting", head, wave=wave["number"], reason=decision.reason)

    def _pass(
        self,
        connection: sa.Connection,
        head: Row,
        number: int,
        reason: str,
        now: float,
        ending: str = "every wave has passed",
    ) -> None:
        self._end_wave(connection, head, number, WaveState.PASSED, reason, now)
        following = sa.select(table.wave.c.number).where(
            table.wave.c.rollout == head["id"], table.wave.c.number > number, table.wave.c.state.in_(UNFINISHED)
        )
        next_number = connection.scalar(following.order_by(table.wave.c.number).limit(1))
        if next_number is not None:
            self.start(connection, head["id"], next_number)
            return
        self._end(connection, head, RolloutState.DONE, ending, now)

    def _end_wave(
        self, connection: sa.Connection, head: Row, number: int, state: WaveState, reason: str, now: float
    ) -> None:
        failed = _failed(ledger.tally(connection, head["id"], number).get(number, Counter()))
        values = {"state": state, "reason": reason, "ended_at": now, "failed_at_end": failed}
        connection.execute(sa.update(table.wave).where(_is(head["id"], number)).values(values))
        self._tell(connection, f"rollout.wave_{state}", head, wave=number, reason=reason)

    def _halt(self, connection: sa.Connection, head: Row, reason: str, now: float) -> None:
        self._end(connection, head, RolloutState.HALTED, reason, now)
        of = table.deployment.c
        which = sa.and_(of.model == head["model"], of.counter == head["counter"])
        ledger.withdraw(connection, self._events, which, reason, now)
        self._packages.mark_bad(connection, head["model"], head["counter"], reason)

    def _end_alone(self, connection: sa.Connection, head: Row, state: RolloutState, reason: str, now: float) -> None:
        """End this rollout and take back what it brought; the release stays good, and other rollouts go on."""
        self._end(connection, head, state, reason, now)
        ledger.withdraw(connection, self._events, table.deployment.c.rollout == head["id"], reason, now)

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
        self._events.record(connection, action, head["id"], devices=[], **facts)


def _not_yet(head: Row, now: float) -> Looked | None:
    """Why a wave may not begin now; None if it may."""
    schedule = msgspec.convert(head["schedule"], ScheduleDraft)
    if schedule.start_at is not None and now < schedule.start_at and not head["emergency"]:
        return Looked(Action.HOLD, "waits for its start", min(schedule.start_at - now, LONGEST_S))
    if now < head["deltas_due_at"]:
        return Looked(Action.HOLD, "deltas are being made", SOON_S)
    return None


def _ripe(wave: dict[str, Any], decision: Decision, now: float) -> Decision:
    """Whether a wave that its gate passes may end: after its soak, and where a person lets it."""
    left_s = wave["committed_at"] + wave["soak_s"] - now
    if left_s > 0:
        return Decision(Action.HOLD, f"{decision.reason}; it soaks")
    if wave["needs_promotion"]:
        wave["state"] = WaveState.WAITING
        return Decision(Action.HOLD, f"{decision.reason}; waits for `edgewright rollout promote`")
    return decision


def _wait_s(wave: Row, served: Served, own: Counter[DeploymentState], now: float) -> float:
    """How long nothing can change unless something wakes the wave."""
    if served.has_more:
        return 0.0
    if wave["state"] == WaveState.WAITING:
        return LONGEST_S
    is_idle = not served.admitted and not any(own[state] for state in UNDER_WAY)
    due_s = served.next_due_at - now if served.next_due_at is not None else LONGEST_S
    if wave["committed_at"] is not None:
        left_s = wave["committed_at"] + wave["soak_s"] - now
        return float(min(max(left_s, SOON_S), LONG_S))
    if is_idle and own[DeploymentState.PENDING]:
        return min(max(due_s, SOON_S), LONG_S if served.next_due_at is None else LONGEST_S)
    elapsed_s: float = now - (wave["started_at"] or now)
    return min(SOON_S + elapsed_s / 100, CALM_S, max(due_s, SOON_S))


def _failed(counts: Counter[DeploymentState]) -> int:
    return sum(counts[state] for state in BROKEN)


def _unfinished(rollout: str) -> sa.Select[Any]:
    of = table.wave.c
    query = sa.select(of.number, of.attempt, of.run, of.state).where(of.rollout == rollout, of.state.in_(UNFINISHED))
    return query.order_by(of.number).limit(1)


def _is(rollout: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(table.wave.c.rollout == rollout, table.wave.c.number == number)
