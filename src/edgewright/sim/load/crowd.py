"""A crowd of simulated devices at a hub that runs: they enrol, check in, install what they are told, and report."""

from __future__ import annotations

import os
import random
import resource
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import msgspec

from edgewright.agent.install import start_patch
from edgewright.agent.states import active_slot
from edgewright.sim.device.agent import Introduction, SimAgent
from edgewright.sim.device.air import Air
from edgewright.sim.device.conduct import Conduct
from edgewright.sim.load.road import CHECK_IN, Latencies, Road, Tally
from edgewright.sim.load.today import Today

TELL_EVERY_S = 10.0


@dataclass(frozen=True)
class Plan:
    """What to do: how many devices, for how long, and how each release behaves on them (GOOD if not said)."""

    hub: str
    claim: str
    devices: int
    seconds: float
    arrive_s: float
    poll_s: float = 60.0
    facts: Mapping[str, object] = field(default_factory=dict)
    conducts: Mapping[tuple[str, int], Conduct] = field(default_factory=dict)
    name: str = "load"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `running` counts devices by the release they ended with; `late` turns came too late to tell."""

    devices: int
    enrolled: int
    seconds: float
    check_ins_s: float
    answers: dict[str, int]
    latencies: dict[str, Latencies]
    running: dict[str, int]
    troubles: dict[str, int]
    turns: int
    late: int


class Crowd:
    """Devices of one plan, on folders in `root`."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self.tally = Tally()
        self._plan = plan
        self._agenda = Today()
        self._road = Road(plan.hub, self.tally)
        self._agents = [self._agent(root, number) for number in range(1, plan.devices + 1)]

    def run(self, stop: Event, tell: Callable[[Outcome], None]) -> Outcome:
        """Play it to its end, or until somebody sets `stop`; `tell` hears of it now and then."""
        plan, began = self._plan, self._agenda.begin()
        gap_s = plan.arrive_s / plan.devices
        for place, agent in enumerate(self._agents):
            self._agenda.after(place * gap_s, agent.switch_on)
        self._agenda.every(TELL_EVERY_S, lambda: tell(self._outcome(began)))
        try:
            self._agenda.run(began + plan.seconds, stop)
            return self._outcome(began)
        finally:
            for agent in self._agents:
                agent.cut_power()
            self._road.close()

    def _agent(self, root: Path, number: int) -> SimAgent:
        plan, dice = self._plan, random.Random(os.urandom(16))  # noqa: S311  its keys come of the system's own
        said = Introduction(f"{plan.name}-{number:05}", plan.claim, "", plan.poll_s, plan.facts)
        air = Air(self._road, self._agenda, dice, said.address)
        return SimAgent(root / said.name, said, self._agenda, air, self._conduct_of, dice, start_patch)

    def _conduct_of(self, model: str, counter: int) -> Conduct:
        return self._plan.conducts.get((model, counter), Conduct.GOOD)

    def _outcome(self, began: float) -> Outcome:
        seconds = max(1e-9, self._agenda.now - began)
        check_ins = sum(count for what, count in self.tally.answers.items() if what.startswith(f"{CHECK_IN} "))
        return Outcome(
            devices=len(self._agents),
            enrolled=sum(bool(agent.device) for agent in self._agents),
            seconds=seconds,
            check_ins_s=check_ins / seconds,
            answers=dict(sorted(self.tally.answers.items())),
            latencies=self.tally.latencies(),
            running=dict(sorted(Counter(release for agent in self._agents for release in _running(agent)).items())),
            troubles=dict(Counter(trouble for agent in self._agents for trouble in agent.troubles).most_common(10)),
            turns=self._agenda.deeds,
            late=self._agenda.late,
        )


def _running(agent: SimAgent) -> list[str]:
    slots = {model: active_slot(record) for model, record in agent.records().items()}
    return [f"{model}/{slot.counter}" for model, slot in slots.items() if slot is not None]


def allow_files(devices: int) -> None:
    """Raise this process's limit of open files as far as so many devices need and the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 256 + 8 * devices
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
