"""Plays a scenario: the real hub, the real agents, an operator who starts rollouts, and faults that strike."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.contract.api import ClaimDraft, GroupDraft
from edgewright.contract.errors import Conflict, EdgewrightError
from edgewright.hub.app import Hub
from edgewright.hub.web.devices import DeviceDoors
from edgewright.sim.campaign.lies import forger, lie
from edgewright.sim.campaign.scenario import (
    CALM_S,
    FORBIDDEN,
    PUBLISHED,
    TROUBLE_S,
    Fault,
    Scenario,
    Start,
    Strike,
    write_scenario,
)
from edgewright.sim.campaign.truths import Truths
from edgewright.sim.device.agent import Introduction, SimAgent
from edgewright.sim.device.air import Air
from edgewright.sim.device.conduct import Conduct
from edgewright.sim.world.agenda import Agenda, dice
from edgewright.sim.world.hub import BEGINS_AT, SimHub, lay_out, scratch
from edgewright.sim.world.hush import hushed
from edgewright.sim.world.releases import OPERATOR

RETRY_S = 600.0  # until an operator tries again what was refused
LAST_CUT_S = 60.0
RETIRED_S = 1000.0  # after the troubles: every outage of the hub is over by then


@dataclass
class Verdict:
    """How one seed went: `broken` are the truths that did not hold, with the moment at which."""

    seed: int
    broken: list[str] = field(default_factory=list)
    steps: int = 0
    committed: int = 0
    turned_back: int = 0
    troubles: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What plays this seed again."""
        return f"EDGEWRIGHT_SEED={self.seed} pytest tests/sim/test_campaign.py -k under_faults"


def play(
    seed: int,
    *,
    scenario: Scenario | None = None,
    serve: Callable[[Hub], DeviceDoors] = DeviceDoors,
    agent_of: type[SimAgent] = SimAgent,
) -> Verdict:
    """Play one seed's story, or `scenario`, to its end or to the first truth that is broken.

    `serve` and `agent_of` may be broken on purpose, to see that it is noticed.
    """
    with hushed(), scratch("campaign") as folder:
        stage = _Stage(scenario or write_scenario(seed), Path(folder), serve, agent_of)
        try:
            return stage.run()
        finally:
            stage.close()


class _Stage:
    def __init__(
        self, scenario: Scenario, folder: Path, serve: Callable[[Hub], DeviceDoors], agent_of: type[SimAgent]
    ) -> None:
        self._scenario = scenario
        self._agenda = Agenda(BEGINS_AT)
        lay_out(folder / "hub", PUBLISHED, (FORBIDDEN,))
        self._hub = SimHub(folder / "hub", self._agenda, scenario.seed, serve=serve)
        self._agents = [self._agent(folder, number, agent_of) for number in range(len(scenario.sites))]
        self._truths = Truths(self._hub, self._agents, scenario, self._agenda)

    def run(self) -> Verdict:
        """Play until everything has had its time to come to rest."""
        self._put_on_agenda()
        verdict, ends_at = Verdict(self._scenario.seed), BEGINS_AT + TROUBLE_S + CALM_S
        while not verdict.broken and self._agenda.next_at < ends_at:
            self._agenda.step()
            verdict.steps += 1
            verdict.broken += self._truths.broken_now()
        if not verdict.broken:
            verdict.broken += self._truths.broken_at_rest()
        verdict.committed, verdict.turned_back = self._truths.counts()
        verdict.troubles = tuple(trouble for agent in self._agents for trouble in agent.troubles)
        return verdict

    def close(self) -> None:
        """Let go of everything."""
        for agent in self._agents:
            if agent.is_on:
                agent.cut_power()
        self._hub.close()

    def _agent(self, folder: Path, number: int, agent_of: type[SimAgent]) -> SimAgent:
        seed, name = self._scenario.seed, f"lane-{number:02}"
        claims = ClaimDraft(labels={"site": self._scenario.sites[number]}, expires_in_s=7 * 86_400.0)
        claim = self._hub.hub.fleet.claim(OPERATOR, claims).tokens[0]
        address = f"10.0.0.{number}"
        air = Air(self._hub, self._agenda, dice(seed, "air", number), address)
        said = Introduction(name=name, claim=claim, address=address, facts={"time_zone": "Europe/Berlin"})
        return agent_of(folder / name, said, self._agenda, air, self._conduct, dice(seed, "agent", number))

    def _conduct(self, model: str, counter: int) -> Conduct:
        return self._scenario.conducts.get((model, counter), Conduct.GOOD)

    def _put_on_agenda(self) -> None:
        self._hub.hub.fleet.create_group(OPERATOR, GroupDraft(name="lanes", selector="all"))
        chance = dice(self._scenario.seed, "agenda")
        for agent in self._agents:
            self._agenda.after(chance.uniform(0.0, 30.0), agent.switch_on)
        for start in self._scenario.starts:
            self._agenda.at(BEGINS_AT + start.at, functools.partial(self._start, start))
        for strike in self._scenario.strikes:
            self._agenda.at(BEGINS_AT + strike.at, functools.partial(self._strike, strike))
            if strike.fault is not Fault.GONE:
                self._agenda.at(BEGINS_AT + strike.until, functools.partial(self._mend, strike))
        self._agenda.at(BEGINS_AT + TROUBLE_S + RETIRED_S, self._retire_gone)
        for begins, ends in self._scenario.outages:
            self._agenda.at(BEGINS_AT + begins, self._hub.kill)
            self._agenda.at(BEGINS_AT + ends, self._hub.start)

    def _retire_gone(self) -> None:
        """Take what will not come back out of service: a site's budget has no place for it and for others."""
        for number in self._scenario.gone:
            if self._agents[number].device:
                self._hub.hub.fleet.retire(OPERATOR, self._agents[number].device, "it is gone")
        self._hub.settle()

    def _start(self, start: Start) -> None:
        """Start a rollout; where the hub is down, or another of this model goes on, later."""
        try:
            if not self._hub.is_up:
                raise Conflict("the hub is down")
            self._hub.hub.rollouts.start(OPERATOR, start.draft)
            self._hub.settle()
        except EdgewrightError as error:
            self._truths.refusals.append(f"{start.draft.release}: {error.code}")
            if isinstance(error, Conflict) and self._agenda.now < BEGINS_AT + TROUBLE_S:
                self._agenda.after(RETRY_S, lambda: self._start(start))

    def _strike(self, strike: Strike) -> None:
        agent, chance = self._agents[strike.device], dice(self._scenario.seed, "strike", strike.device, strike.at)
        weather, health = agent.air.weather, agent.health
        match strike.fault:
            case Fault.LOSS:
                weather.lost, weather.unanswered = chance.uniform(0.05, 0.4), chance.uniform(0.05, 0.4)
            case Fault.PARTITION:
                weather.is_cut = True
            case Fault.POWER_CUT:
                self._cut_again_and_again(strike)
            case Fault.FULL_DISK:
                health.is_disk_full = True
            case Fault.WRONG_CLOCK:
                health.clock_off_s = chance.choice((-86_400.0 * 400, -7200.0, -200.0, 200.0, 3600.0))
            case Fault.SLOW_LINK:
                weather.bytes_s = strike.bytes_s or chance.uniform(20.0, 500.0)
            case Fault.DOUBLED:
                weather.doubled = chance.uniform(0.2, 0.8)
            case Fault.GONE:
                agent.give_up()
            case Fault.LIES:
                self._agenda.after(1.0, lambda: self._lie(strike))
            case Fault.FORGED:
                agent.air.tamper = forger(self._hub, agent)

    def _mend(self, strike: Strike) -> None:
        agent = self._agents[strike.device]
        weather, health = agent.air.weather, agent.health
        weather.is_cut, weather.lost, weather.unanswered, weather.doubled, weather.bytes_s = False, 0.0, 0.0, 0.0, 1e6
        health.is_disk_full, health.clock_off_s, health.cuts_after = False, 0.0, 0
        agent.air.tamper = None

    def _cut_again_and_again(self, strike: Strike) -> None:
        """Cut the power somewhere in what the device does next, and again once it is back, while the strike lasts."""
        agent = self._agents[strike.device]
        if self._agenda.now < BEGINS_AT + min(strike.until, TROUBLE_S - LAST_CUT_S):
            agent.health.cuts_after = dice(self._scenario.seed, "cut", agent.name, self._agenda.now).randint(1, 60)
            self._agenda.after(300.0, lambda: self._cut_again_and_again(strike))

    def _lie(self, strike: Strike) -> None:
        agent = self._agents[strike.device]
        if self._agenda.now < BEGINS_AT + strike.until:
            chance = dice(self._scenario.seed, "lie", self._agenda.now)
            with contextlib.suppress(EdgewrightError):
                agent.do(lambda: lie(agent, self._agents, self._hub, chance))
            self._agenda.after(200.0, lambda: self._lie(strike))
