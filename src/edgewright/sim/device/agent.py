"""One simulated device: the agent's real delivery on a real folder, in virtual time, with a power switch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.bench import Benches
from edgewright.agent.disk import Boots, Settings, Writer, load_identity
from edgewright.agent.install import Patch, Patching
from edgewright.agent.link import Chance, Exchange, Schedule, SignedTime, enrol
from edgewright.agent.machine import Equipment
from edgewright.agent.states import Crash, ModelRecord, active_slot
from edgewright.agent.supervisor import Delivery
from edgewright.agent.system import Bell, Stop
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import Unreachable
from edgewright.contract.report import Capabilities
from edgewright.sim.device.air import HUB, Air, AirLink
from edgewright.sim.device.conduct import Conduct, ConductOf, SimTrials
from edgewright.sim.world.agenda import Agenda

LEAST_S = 0.05  # of virtual time, from one turn to the next
LONGEST_S = 3600.0
FREE_BYTES = 10**10
CRASH_EVERY_S = 120.0


class PowerCut(BaseException):
    """Not an Exception: nothing that handles errors handles it."""


@dataclass
class Health:
    """What is wrong with the device itself."""

    is_disk_full: bool = False
    clock_off_s: float = 0.0
    cuts_after: int = 0  # looks at clock or line, after which the power is cut; 0: not at all


@dataclass(frozen=True)
class Introduction:
    """Who a device is."""

    name: str
    claim: str
    address: str
    poll_s: float = 300.0
    facts: Mapping[str, object] = field(default_factory=dict)


def _no_deltas(base: Path, delta: Path, result: Path, max_bytes: int) -> Patching:
    raise RuntimeError("simulated hubs make no deltas")


class SimAgent:
    """A device. Its turns are on the agenda from `switch_on` to `cut_power`."""

    def __init__(
        self,
        root: Path,
        said: Introduction,
        agenda: Agenda,
        air: Air,
        conduct_of: ConductOf,
        random: random.Random,
        patch: Patch = _no_deltas,
    ) -> None:
        self.root = root
        self.name = said.name
        self.air = air
        self.health = Health()
        self.device = ""
        self.is_on = False
        self.is_gone = False
        self.turns = 0
        self.link: AirLink | None = None
        self.troubles: list[str] = []
        self.boots = 0
        self._said = said
        self._agenda = agenda
        self._random = random
        self._conduct_of = conduct_of
        self._patch = patch
        self._key = SoftKey(Ed25519PrivateKey.from_private_bytes(random.randbytes(32)))
        self._settings = Settings(poll_s=said.poll_s, max_back_off_s=said.poll_s)
        self._life = 0
        self._booted_at = agenda.now
        self._delivery: Delivery | None = None
        self._crashed_at = -math.inf
        root.mkdir(parents=True)

    def switch_on(self) -> None:
        """Start the agent; it enrols first where that is still to be done."""
        self.boots += 1
        self._life += 1
        self._booted_at = self._agenda.now
        self.is_on = True
        self._go_on(self._life)

    def cut_power(self) -> None:
        """End it without a word; what is on the disk stays."""
        self._life += 1
        self.is_on = False
        self.health.cuts_after = 0
        if self._delivery is not None:
            self._equipment.reports.close()
            self._bell.close()
        self._delivery = None

    def give_up(self) -> None:
        """Cut the power for good."""
        self.is_gone = True
        if self.is_on:
            self.cut_power()

    def do(self, deed: Callable[[], object]) -> None:
        """Do something beside its turns, in which the power may be cut as in them."""
        try:
            deed()
        except PowerCut:
            self._go_down()

    def records(self) -> dict[str, ModelRecord]:
        """What it knows of each model, while it is on."""
        if self._delivery is None:
            return {}
        return {model: self._delivery.machine(model).record for model in self._delivery.models()}

    def exchange(self, *parts: Any) -> Exchange:
        """Its side of the talk."""
        return Exchange(*parts)

    @property
    def on_trial(self) -> tuple[str, ...]:
        """The models of which a candidate is being tried now."""
        return tuple(self._trials.running) if self._delivery is not None else ()

    def _go_on(self, life: int) -> None:
        """One turn, and the next one put on the agenda."""
        if life != self._life:
            return
        self.turns += 1
        try:
            wait_s = self._turn()
        except PowerCut:
            self._go_down()
        else:
            busy_s = self.air.settle()
            self._agenda.after(min(LONGEST_S, max(LEAST_S, wait_s, busy_s)), lambda: self._go_on(life))

    def _go_down(self) -> None:
        """Lose the power for a while."""
        self.cut_power()
        self._agenda.after(self._random.uniform(1.0, 600.0), self._come_back)

    def _come_back(self) -> None:
        if not self.is_on and not self.is_gone:
            self.switch_on()

    def _turn(self) -> float:
        if self._delivery is None:
            try:
                self._assemble()
            except Unreachable:
                return self._random.uniform(5.0, 60.0)
        self._stop.waits_s = 0.0
        delivery = self._delivery
        if delivery is None:
            return 0.0
        try:
            delivery.turn()
        except Exception as error:  # as the agent's own loop does: delivery never ends
            self.troubles.append(f"{type(error).__name__}: {error}")
            return 10.0
        return self._stop.waits_s

    def _assemble(self) -> None:
        """All wiring of an agent, as in edgewright.agent.cli.wiring, without processes and sockets."""
        chance = Chance(self._random.uniform, lambda: self._random.randbytes(16).hex())
        signed_time = SignedTime(self.root, self._clock, self._monotonic)
        identity = load_identity(self.root)
        link = AirLink(self.air, self._key, identity.device if identity else "", signed_time.now)
        if identity is None:
            who = {"hub": HUB, "claim": self._said.claim, "name": self.name}
            identity = enrol(self.root, **who, key=self._key, link=link, measure=self._measure)
            link = AirLink(self.air, self._key, identity.device, signed_time.now)
        self.device, self.link = identity.device, link
        self._bell, self._stop = Bell(), _VirtualStop()
        self._trials = SimTrials(self._conduct_of, self._monotonic)
        boots = Boots(self.root, f"boot-{self.boots}")
        self._equipment = Equipment(
            root=self.root,
            settings=self._settings,
            source=link,
            patch=self._patch,
            trials=self._trials,
            reports=Writer(self.root / "spool", "agent"),
            measure=self._measure,
            clock=signed_time.now,
            monotonic=self._monotonic,
            is_pausing=lambda: False,
            boot=boots.boot,
            uptime_s=self._monotonic,
            is_often_cut_off=lambda: boots.in_a_row > 0,
        )
        exchange = self.exchange(self.root, identity, link, self._settings, signed_time, self._equipment.reports)
        self._delivery = Delivery(
            exchange,
            self._equipment,
            Schedule(self._monotonic, chance, self._settings.longest_wait_s),
            Benches(self._equipment, exchange.package, self._trials),
            boots=boots,
            chance=chance,
            stop=self._stop,
            bell=self._bell,
            crashes=self._crashes,
        )

    def _crashes(self) -> Iterable[Crash]:
        """What of the serving packages has crashed since the last look."""
        if self._agenda.now - self._crashed_at < CRASH_EVERY_S:
            return
        for model, record in self.records().items():
            active = active_slot(record)
            if active is not None and self._conduct_of(model, active.counter) is Conduct.CRASHES:
                self._crashed_at = self._agenda.now
                yield Crash(model=model, manifest_sha256=active.manifest_sha256, reason="SIGSEGV")

    def _clock(self) -> float:
        self._look()
        return self._agenda.now + self.health.clock_off_s

    def _monotonic(self) -> float:
        return self._agenda.now - self._booted_at

    def _measure(self) -> Capabilities:
        free_bytes = 0 if self.health.is_disk_full else FREE_BYTES
        known: dict[str, object] = {
            "arch": "x86_64",
            "cores": 4,
            "ram_bytes": 2**32,
            "disk_free_bytes": free_bytes,
            "runtimes": {"onnxruntime": "1.23.2"},
            "agent_version": "1",
        }
        return msgspec.convert({**known, **self._said.facts}, Capabilities)

    def _look(self) -> None:
        """Somewhere in its work: here the power may be cut."""
        if self.health.cuts_after:
            self.health.cuts_after -= 1
            if not self.health.cuts_after:
                raise PowerCut


class _VirtualStop(Stop):
    """A wait takes no real time: it is noted, and the agenda keeps it."""

    def __init__(self) -> None:
        self.is_requested = False
        self.waits_s = 0.0

    def wait(self, timeout_s: float, wakers: Iterable[int] = ()) -> bool:
        self.waits_s = timeout_s
        return self.is_requested
