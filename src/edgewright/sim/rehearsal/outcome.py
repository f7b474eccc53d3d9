"""What a play came to: its waves, its sites, who was touched, and when a gate stopped it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from edgewright.contract.api import (
    Badness,
    RehearsedRun,
    RehearsedSite,
    RehearsedWave,
    RolloutRecord,
    RolloutState,
)
from edgewright.hub.events import Event
from edgewright.hub.rehearsals.question import Facts
from edgewright.sim.rehearsal.device import Device
from edgewright.sim.rehearsal.effects import effect_of
from edgewright.sim.rehearsal.rules import rules_of
from edgewright.sim.world.agenda import Agenda
from edgewright.sim.world.hub import SimHub

MAX_SITES = 20
MAX_POINTS = 40
ENDS = tuple(f"rollout.{state}" for state in RolloutState if state.is_ended)


class Outcome:
    """Follows one rollout."""

    def __init__(self, hub: SimHub, rollout: str, facts: Facts, badness: Badness | None, agenda: Agenda) -> None:
        self._hub = hub
        self._rollout = rollout
        self._facts = facts
        self._badness = badness
        self._agenda = agenda
        self.ended_at: float | None = None

    def hear(self, event: Event) -> None:
        """Notice that the rollout has ended."""
        if event.subject == self._rollout and event.kind in ENDS and self.ended_at is None:
            self.ended_at = self._agenda.now

    def tell(self, devices: Collection[Device]) -> RehearsedRun:
        """All of it."""
        record = self._record()
        touched = sorted(moment for one in devices if (moment := one.tally.touched_at) is not None)
        ended_at = record.ended_at or self._agenda.now
        sites = _sites(devices, self._facts.began_at)
        committed, broken = (sum(getattr(wave, name) for wave in record.waves) for name in ("committed", "failed"))
        return RehearsedRun(
            badness=self._badness,
            state=record.state,
            reason=record.reason,
            duration_s=ended_at - self._facts.began_at,
            halted_s=ended_at - self._facts.began_at if record.state is RolloutState.HALTED else None,
            devices=len(devices),
            touched=len(touched),
            committed=committed,
            broken=broken,
            away=sum(wave.waiting for wave in record.waves) if record.state is RolloutState.DONE else 0,
            bytes=sum(one.tally.bytes for one in devices),
            waves=tuple(self._waves(record)),
            sites=tuple(sites[:MAX_SITES]),
            sites_count=len(sites),
            rules=rules_of(record),
            effect=effect_of(self._badness, self._facts),
            touched_at=_curve([moment - self._facts.began_at for moment in touched]),
        )

    def _record(self) -> RolloutRecord:
        return self._hub.hub.rollouts.rollout(self._rollout)

    def _waves(self, record: RolloutRecord) -> Iterable[RehearsedWave]:
        began_at = self._facts.began_at
        for wave in record.waves:
            yield RehearsedWave(
                number=wave.number,
                size=wave.size,
                state=wave.state,
                reason=wave.reason,
                committed=wave.committed,
                failed=wave.failed,
                started_s=None if wave.started_at is None else wave.started_at - began_at,
                ended_s=None if wave.ended_at is None else wave.ended_at - began_at,
                verdicts=wave.verdicts,
            )


def _sites(devices: Iterable[Device], began_at: float) -> list[RehearsedSite]:
    """The site that took longest first, and of those the one with the most bytes."""
    of_site: dict[str, list[Device]] = defaultdict(list)
    for one in devices:
        of_site[one.fact.site].append(one)
    found = []
    for name, ones in of_site.items():
        ends = [one.tally.ended_at for one in ones if one.tally.ended_at is not None]
        is_done = len(ends) == len(ones)
        found.append(
            RehearsedSite(
                name=name,
                devices=len(ones),
                bytes=sum(one.tally.bytes for one in ones),
                busy_s=sum(one.tally.busy_s for one in ones),
                ended_s=max(ends) - began_at if is_done else None,
            )
        )
    return sorted(found, key=lambda site: (site.ended_s is not None, -(site.ended_s or 0.0), -site.bytes, site.name))


def _curve(moments: list[float]) -> tuple[tuple[float, int], ...]:
    """How many were touched by when, in at most so many points."""
    step = max(1, -(-len(moments) // MAX_POINTS))
    places = sorted({*range(step - 1, len(moments), step), len(moments) - 1} if moments else set())
    return tuple((round(moments[place], 1), place + 1) for place in places)
