"""What must hold in every campaign: at each step, and once everything has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from edgewright.agent.disk import ModelFolder
from edgewright.agent.states import ModelRecord, active_slot, report_id
from edgewright.contract.api import ReleaseState, RolloutRecord, RolloutState
from edgewright.contract.report import Outcome
from edgewright.hub.events import event_table
from edgewright.hub.fleet import table as fleet_table
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import BROKEN, OPEN, DeploymentState
from edgewright.sim.campaign.scenario import Scenario
from edgewright.sim.device.agent import SimAgent
from edgewright.sim.world.agenda import Agenda
from edgewright.sim.world.hub import BEGINS_AT, SimHub

WAITING = (RolloutState.RUNNING, RolloutState.PAUSED)
MOST_TURNS, SPAN_S = (
    1000,
    600.0,
)  # of a device within a span: one that is at rest takes a few, one with an install dozens


class Truths:
    """Looks at a fleet from outside, and says what should not be."""

    def __init__(self, hub: SimHub, agents: Sequence[SimAgent], scenario: Scenario, agenda: Agenda) -> None:
        self._hub = hub
        self._agents = agents
        self._scenario = scenario
        self._agenda = agenda
        self._approved = frozenset(
            package.manifest_sha256
            for release in hub.hub.packaging.releases()
            if release.state is ReleaseState.READY
            for package in release.packages
        )
        self._looked = dict.fromkeys(range(len(agents)), 0)
        self._floors: dict[tuple[int, str], int] = {}
        self._active: dict[tuple[int, str], str] = {}
        self._counted_at, self._counted = agenda.now, dict.fromkeys(range(len(agents)), 0)
        self.refusals: list[str] = []

    def broken_now(self) -> list[str]:
        """What is wrong at this step, with the time."""
        found = [*self._broken_budgets(), *self._restless()]
        for number, agent in enumerate(self._agents):
            if agent.turns != self._looked[number]:
                self._looked[number] = agent.turns
                found += [f"{agent.name}: {what}" for what in self._broken_on(number, agent)]
        at_s = self._agenda.now - BEGINS_AT
        return [f"at {at_s:.1f} s: {what}" for what in found]

    def broken_at_rest(self) -> list[str]:
        """What is wrong at the end."""
        rollouts = self._hub.hub.rollouts.rollouts()
        found = [*self._broken_counts(rollouts), *self._unsettled(rollouts)]
        for number, agent in enumerate(self._agents):
            if number not in self._scenario.gone:
                found += [f"{agent.name}: {what}" for what in self._broken_end(agent)]
        return [f"at the end: {what}" for what in found]

    def counts(self) -> tuple[int, int]:
        """How many deployments were committed, and how many were not."""
        of = table.deployment.c
        with self._hub.hub.db.read() as connection:
            query = sa.select(of.state, sa.func.count().label("many")).where(of.wave > 0).group_by(of.state)
            rows = connection.execute(query).all()
        by_state = {row.state: row.many for row in rows}
        return by_state.pop(DeploymentState.COMMITTED, 0), sum(by_state.values())

    def _broken_budgets(self) -> Iterator[str]:
        if not self._scenario.max_unavailable:
            return
        sites = self._scenario.sites
        trying = Counter(sites[number] for number, agent in enumerate(self._agents) if agent.on_trial)
        for site, count in trying.items():
            if count > self._scenario.max_unavailable:
                yield f"{count} devices of {site} are at an install, {self._scenario.max_unavailable} may"

    def _restless(self) -> Iterator[str]:
        """Devices that go round and round."""
        if self._agenda.now - self._counted_at >= SPAN_S:
            self._counted_at = self._agenda.now
            self._counted = {number: agent.turns for number, agent in enumerate(self._agents)}
        for number, agent in enumerate(self._agents):
            if agent.turns - self._counted[number] > MOST_TURNS:
                yield f"{agent.name} took {MOST_TURNS} turns within {SPAN_S:.0f} s"

    def _broken_on(self, number: int, agent: SimAgent) -> Iterator[str]:
        for model, record in agent.records().items():
            floor = self._floors.get((number, model), 0)
            if record.floor < floor:
                yield f"the floor of {model} fell from {floor} to {record.floor}"
            self._floors[number, model] = record.floor
            yield from self._broken_active(number, agent, record)

    def _broken_active(self, number: int, agent: SimAgent, record: ModelRecord) -> Iterator[str]:
        active, key = active_slot(record), (number, record.model)
        digest = active.manifest_sha256 if active else ""
        before, self._active[key] = self._active.get(key, ""), digest
        if digest == before:
            return
        if not digest:
            yield f"no model of {record.model} serves any more"
        elif digest not in self._approved:
            yield f"{record.model} runs {digest[:12]}, which nobody has approved"
        elif not ModelFolder(agent.root / "models" / record.model, record.model).verifies(record.active, digest):
            yield f"{record.model} runs bytes that are not those of {digest[:12]}"

    def _broken_counts(self, rollouts: list[RolloutRecord]) -> Iterator[str]:
        """Each report counts once, and what a rollout shows is what its deployments are."""
        events, reports = event_table, table.install_report
        with self._hub.hub.db.read() as connection:
            told = connection.scalar(sa.select(sa.func.count()).where(events.c.kind == "rollout.reported")) or 0
            bodies = connection.execute(sa.select(reports.c.deployment, reports.c.body)).all()
            of = table.deployment.c
            rows = connection.execute(
                sa.select(of.rollout, of.wave, of.state, sa.func.count()).group_by(of.rollout, of.wave, of.state)
            ).all()
        kept = Counter((row.deployment, row.body["outcome"]) for row in bodies)
        if told != len(kept):
            yield f"{told} reports were counted, {len(kept)} were made"
        counts = {(rollout, wave, state): count for rollout, wave, state, count in rows}
        for rollout in rollouts:
            for wave in rollout.waves:
                committed = counts.get((rollout.id, wave.number, DeploymentState.COMMITTED), 0)
                failed = sum(counts.get((rollout.id, wave.number, state), 0) for state in BROKEN)
                shown, real = (wave.committed, wave.failed), (committed, failed)
                if shown != real:
                    yield f"wave {wave.number} of {rollout.id} shows {shown} committed and failed, not {real}"

    def _unsettled(self, rollouts: list[RolloutRecord]) -> Iterator[str]:
        """Rollouts that go on although nobody is left who could answer."""
        gone = {self._agents[number].device for number in self._scenario.gone}
        for rollout in rollouts:
            if rollout.state not in WAITING:
                continue
            running = [wave.number for wave in rollout.waves if wave.state == "running"]
            open_ = {
                one.device for one in rollout.deployments if one.wave in running and DeploymentState(one.state) in OPEN
            }
            if not open_ & gone or open_ - gone:
                yield f"{rollout.id} is still {rollout.state}: {[wave.reason for wave in rollout.waves]}"

    def _broken_end(self, agent: SimAgent) -> Iterator[str]:
        """Whether one reachable device ended as the hub believes, at a release that was meant for it."""
        if not agent.is_on or not agent.device:
            yield "it is not back"
            return
        records = agent.records()
        of, told = table.deployment.c, fleet_table.device_model.c
        with self._hub.hub.db.read() as connection:
            rows = connection.execute(sa.select(table.deployment).where(of.device == agent.device, of.wave > 0)).all()
            seen = connection.execute(sa.select(told.model, told.counter).where(told.device == agent.device)).all()
        believed = {row.model: row.counter for row in seen}
        for model, record in records.items():
            active = active_slot(record)
            counter = active.counter if active else 0
            if believed.get(model, 0) != counter:
                yield f"{model} is at {counter}, the hub believes {believed.get(model, 0)}"
        for row in rows:
            kept = records.get(row.model)
            active = active_slot(kept) if kept else None
            if row.state == DeploymentState.WITHDRAWN and kept is not None and _said_it_cannot(kept, row):
                continue
            yield from _broken_deployment(row, active.counter if active else 0)


def _said_it_cannot(record: ModelRecord, row: sa.Row[tuple[object, ...]]) -> bool:
    """Whether the device has told that it has nothing to go back to."""
    return report_id(row.id, row.counter, Outcome.FAILED) in record.ended


def _broken_deployment(row: sa.Row[tuple[object, ...]], counter: int) -> Iterator[str]:
    state = DeploymentState(row.state)
    if state in BROKEN and not row.reason:
        yield f"{row.id} is {state} without a reason"
    if state is DeploymentState.COMMITTED and counter < row.counter:
        yield f"{row.id} is committed, the device runs {counter}"
    if state is DeploymentState.ROLLED_BACK and counter == row.counter:
        yield f"{row.id} is rolled back, and the device runs it"
    if state is DeploymentState.WITHDRAWN and counter == row.counter and row.offered_at is not None:
        yield f"{row.id} is withdrawn, and the device runs it"
    if state is DeploymentState.OFFERED and counter >= row.counter:
        yield f"{row.id} is open, and the device runs {counter}"
