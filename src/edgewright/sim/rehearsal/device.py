"""A device of a rehearsal: the agent's pure states on the real wire, without a disk; a process has thousands."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from edgewright.agent import states
from edgewright.agent.states import Candidate, ModelRecord, Step, candidate_of
from edgewright.agent.trial import judge_shadow
from edgewright.contract import windows
from edgewright.contract.errors import InvalidInput, Unreachable
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install, Order, Shadow
from edgewright.hub.rehearsals.question import DeviceFact
from edgewright.sim.rehearsal.behaviour import CRASHES_AFTER_S, CRASHES_LAST_S, Behaviour, sent_bytes
from edgewright.sim.rehearsal.talk import Line, Talk
from edgewright.sim.world.agenda import Agenda

HUB_ZONE = "UTC"
BUSY_S = 10.0  # until what the hub was too busy for is asked again
HOUR_S = 3600.0


@dataclass(frozen=True)
class Shared:
    """What all devices of one play have: the line to the hub, manifests by digest, what the release does."""

    line: Line
    manifest: Callable[[str], Manifest]
    behaviour: Behaviour

    @property
    def agenda(self) -> Agenda:
        return self.line.agenda


@dataclass
class Tally:
    """What one device went through, in seconds since the epoch."""

    touched_at: float | None = None
    ended_at: float | None = None
    bytes: int = 0
    busy_s: float = 0.0


@dataclass
class Device:
    """One device. It asks the hub when something may have changed; polls that would bring nothing are left out."""

    fact: DeviceFact
    shared: Shared
    chance: random.Random
    records: dict[str, ModelRecord] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.talk = Talk(self.shared.line, self.fact, self.chance)
        self._phase_s = self.chance.uniform(0.0, self.fact.poll_s)
        self._zone = zone_of(self.fact.time_zone)
        self._asks_at = math.inf
        self._held: dict[str, Callable[[], None]] = {}

    def is_on(self, now: float) -> bool:
        """Whether it is one of its hours."""
        return not self.fact.hours or datetime.fromtimestamp(now, UTC).hour in self.fact.hours

    def stir(self) -> None:
        """Hear that the hub may have something new: it is asked with the next poll."""
        self._ask_at(self._next_poll(self.shared.agenda.now))

    def heard_at(self, now: float) -> float | None:
        """When it has last checked in, be it to no purpose; None if it is off, or was then."""
        moment = self._poll(now, 0)
        return moment if self.is_on(now) and self.is_on(moment) else None

    def _poll(self, moment: float, further: int) -> float:
        """The last poll that is due by `moment`, or so many further ones."""
        return self._phase_s + (math.floor((moment - self._phase_s) / self.fact.poll_s) + further) * self.fact.poll_s

    def _next_poll(self, after: float) -> float:
        moment = self._poll(after, 1)
        while not self.is_on(moment):
            moment = (moment // HOUR_S + 1) * HOUR_S + self._phase_s % HOUR_S
        return moment

    def _ask_at(self, moment: float) -> None:
        if moment < self._asks_at:
            self._asks_at = moment
            self.shared.agenda.at(moment, lambda: self._ask_if_due(moment))

    def _ask_if_due(self, moment: float) -> None:
        if self._asks_at == moment:
            self._asks_at = math.inf
            self.check_in()

    def check_in(self) -> None:
        """One poll; while it is at an install, another follows."""
        try:
            order = self.talk.check_in(self.records.values())
        except Unreachable:
            self._ask_at(self.shared.agenda.now + BUSY_S)
            return
        if order is not None:
            self._obey(order)
        self._ask_before_leases_end()

    def _ask_before_leases_end(self) -> None:
        """What keeps an install alive is asked for in time; polls that only tell of its steps are left out."""
        poll_s, now = self.fact.poll_s, self.shared.agenda.now
        for record in self.records.values():
            lease_until = record.candidate.install.lease_until if record.candidate else None
            if lease_until is not None:
                self._ask_at(max(self._next_poll(now), self._next_poll(lease_until - 2 * poll_s)))

    def _obey(self, order: Order) -> None:
        for rollback in order.rollbacks:
            record = self._record(rollback.model)
            changed = states.roll_back(record, rollback)
            if changed is not record:
                self._keep(changed)
                self._go_on(rollback.model)
        for install in order.installs:
            record = self._record(install.model)
            renewed = states.renew(record, install)
            if renewed is not record:
                self._keep(renewed)
                self._resume(install.model)
            if states.is_wanted(record, install):
                self._begin(record, install)

    def _begin(self, record: ModelRecord, install: Install) -> None:
        now = self.shared.agenda.now
        if self.tally.touched_at is None:
            self.tally.touched_at = now
        full_bytes = sum(file.size_bytes for file in self.shared.manifest(install.manifest_sha256).files)
        record = states.begin(record, install, 1)
        sent = sent_bytes(install, full_bytes)
        facts = {"full_bytes": full_bytes, "received_bytes": sent, "used_delta": bool(install.fetches)}
        candidate = msgspec.structs.replace(candidate_of(record), **facts)
        self._keep(msgspec.structs.replace(record, candidate=candidate))
        self._go_on(install.model)

    def _go_on(self, model: str) -> None:
        """Take the step that the record names; the next one comes when its time is over."""
        record = self.records[model]
        candidate = record.candidate
        match record.step:
            case Step.FETCH if candidate is not None:
                wait_s = self.shared.behaviour.fetch_s(candidate.install, self.fact, candidate.full_bytes)
                self.tally.bytes += candidate.received_bytes
                self.tally.busy_s += wait_s
                self._later(model, wait_s, candidate, lambda: self._advance(model))
            case Step.STAGE:
                self._advance(model)
            case Step.TRIAL if candidate is not None:
                self._try(model, candidate)
            case Step.SHADOW if candidate is not None:
                self._shadow(model, candidate)
            case Step.ROLL_BACK if candidate is not None:
                self._roll_back(model, record, candidate)
            case Step.COMMIT if candidate is not None:
                self._commit(model, candidate)
            case Step.REPORT:
                self._report(model)
            case _:
                pass

    def _later(self, model: str, wait_s: float, candidate: Candidate, deed: Callable[[], None]) -> None:
        """Do this in a while, unless another install or a roll back has come between."""
        step, install = self.records[model].step, candidate.install.deployment

        def do() -> None:
            record = self.records[model]
            if record.step is step and record.candidate and record.candidate.install.deployment == install:
                deed()

        self.shared.agenda.after(wait_s, do)

    def _advance(self, model: str, *, is_ok: bool = True, reason: str = "") -> None:
        self._keep(states.advance(self.records[model], is_ok=is_ok, reason=reason))
        self._go_on(model)

    def _try(self, model: str, candidate: Candidate) -> None:
        if self._waits_for_lease(model, candidate):
            return
        self._later(model, self.shared.behaviour.trial_s, candidate, lambda: self._judge(model))

    def _judge(self, model: str) -> None:
        candidate = candidate_of(self.records[model])
        budgets = self.shared.manifest(candidate.install.manifest_sha256).budgets
        tried = self.shared.behaviour.tried(budgets, self.fact, self.chance)
        measured = {"golden": tried.golden, "latency_p95_ms": tried.latency_p95_ms}
        measured |= {"latency_p50_ms": tried.latency_p95_ms / 2, "memory_bytes": tried.memory_bytes}
        self._measured(model, **measured)
        self._advance(model, is_ok=tried.is_ok, reason=tried.reason)

    def _shadow(self, model: str, candidate: Candidate) -> None:
        """Compare it with the running version, where there is one."""
        policy = candidate.install.shadow
        if policy is None or not self.records[model].active:
            self._advance(model)
            return
        wait_s = self.shared.behaviour.shadow_s(policy)
        self._later(model, wait_s, candidate, lambda: self._judge_shadow(model, policy))

    def _judge_shadow(self, model: str, policy: Shadow) -> None:
        seen = self.shared.behaviour.compared(policy)
        is_ok, reason = judge_shadow(seen, policy)
        self._measured(model, shadow=seen, reason=reason)
        self._advance(model, is_ok=is_ok, reason=reason)

    def _measured(self, model: str, **found: object) -> None:
        record = self.records[model]
        self._keep(msgspec.structs.replace(record, candidate=msgspec.structs.replace(candidate_of(record), **found)))

    def _commit(self, model: str, candidate: Candidate) -> None:
        if self._waits_for_lease(model, candidate):
            return
        now, install = self.shared.agenda.now, candidate.install
        if install.windows and self.records[model].active:
            parsed = [windows.parse(text) for text in install.windows]
            opens_at = windows.opens_at(parsed, now, self._zone)
            if opens_at > now:
                self._later(model, opens_at - now, candidate, lambda: self._go_on(model))
                return
        self._advance(model)
        if self.shared.behaviour.crashes:
            self.shared.agenda.after(CRASHES_AFTER_S + CRASHES_LAST_S, lambda: self._crash(model, install))

    def _roll_back(self, model: str, record: ModelRecord, candidate: Candidate) -> None:
        """Go back to the spare slot; where it is empty, stay: a bad package is better than none."""
        if candidate.slot != record.active or record.slots[states.other(candidate.slot)] is not None:
            self._advance(model)
        elif candidate.is_own_wish:
            self._keep(states.stay(record))
        else:
            self._advance(model, is_ok=False, reason="there is nothing to go back to")

    def _crash(self, model: str, install: Install) -> None:
        record = self.records[model]
        active = states.active_slot(record)
        if active is not None and active.manifest_sha256 == install.manifest_sha256:
            left = states.leave(record, "it crashed 3 times within a day: SIGSEGV")
            if left is not record:
                self._keep(left)
                self._go_on(model)

    def _waits_for_lease(self, model: str, candidate: Candidate) -> bool:
        """Whether the step must wait until the hub says again that it may be taken."""
        if not states.is_lease_over(candidate.install, self.shared.agenda.now):
            return False
        self._held[model] = lambda: self._go_on(model)
        return True

    def _resume(self, model: str) -> None:
        if (held := self._held.pop(model, None)) is not None:
            held()

    def _report(self, model: str) -> None:
        report = states.to_report(self.records[model], self.shared.agenda.now)
        try:
            if report.deployment:
                self.talk.send(report)
        except Unreachable:
            self.shared.agenda.after(BUSY_S, lambda: self._report(model))
            return
        self.tally.ended_at = self.shared.agenda.now
        self._keep(states.advance(self.records[model], is_ok=True))
        self._ask_at(self.shared.agenda.now + 0.1)

    def _record(self, model: str) -> ModelRecord:
        return self.records.setdefault(model, ModelRecord(model=model))

    def _keep(self, record: ModelRecord) -> None:
        self.records[record.model] = record


@functools.cache
def zone_of(name: str) -> ZoneInfo | None:
    """A device's time zone; UTC, as the hub takes it, where none is known."""
    try:
        return windows.zone(name or HUB_ZONE)
    except InvalidInput:
        return windows.zone(HUB_ZONE)
