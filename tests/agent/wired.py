"""An agent in a test, wired as cli.py does it: its clock is the test's, and its workers say what they are told to."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from device import GOOD, Verdicts, patch
from scripted_hub import CLAIM, ScriptedHub

from edgewright.agent.bench import Benches
from edgewright.agent.disk.boots import Boots
from edgewright.agent.disk.identity import load_identity
from edgewright.agent.disk.pace import PaceMeter
from edgewright.agent.disk.settings import Settings
from edgewright.agent.disk.spool import Writer
from edgewright.agent.install import Patch
from edgewright.agent.keys.file import open_file
from edgewright.agent.link import BlobLine, Exchange, Link, Patience, SignedTime, Throttle
from edgewright.agent.link.enrolment import enrol
from edgewright.agent.link.schedule import Chance, Schedule
from edgewright.agent.machine import Equipment
from edgewright.agent.states import Crash
from edgewright.agent.supervisor import Delivery
from edgewright.agent.system.bell import Bell
from edgewright.agent.system.stop import Stop
from edgewright.contract.report import Capabilities, Conditions

PATIENCE = Patience(silence_s=5.0, min_bytes_s=100.0, monotonic=time.monotonic)


class Agent:
    """The agent as cli.py wires it, with a clock that the test moves and workers that say what they are told to."""

    def __init__(
        self,
        root: Path,
        hub: ScriptedHub,
        url: str = "",
        *,
        patience: Patience = PATIENCE,
        patch: Patch = patch,
        poll_s: float = 30.0,
    ) -> None:
        self.root, self.hub = root, hub
        self.ticks = 0.0
        self.wakers: list[int] = []
        stop = Stop()
        key = open_file(root)
        throttle, meter = Throttle(0, lambda: self.ticks, stop.wait), PaceMeter(root)
        known = {"clock": lambda: hub.now, "patience": patience, "talk_s": 60.0}
        identity = load_identity(root)
        if identity is None:
            link = Link(url or hub.url, key, device="", **known)
            identity = enrol(root, hub=hub.url, claim=CLAIM, name="cam", key=key, link=link, measure=measure)
        self.link = Link(identity.hub, key, device=identity.device, **known)
        self.line = BlobLine(self.link, throttle=throttle, patience=patience, measured=meter.downloaded)
        settings = Settings(poll_s=poll_s)
        chance = Chance(uniform=lambda low, high: high)
        self.time = signed_time = SignedTime(root, lambda: hub.now, lambda: hub.now)
        self.check_ins = Schedule(lambda: self.ticks, chance, 600.0)
        self.trials = Verdicts(*GOOD)
        equipment = Equipment(
            root=root,
            settings=settings,
            source=self.line,
            patch=patch,
            trials=self.trials,
            reports=Writer(root / "spool", "agent"),
            measure=measure,
            clock=signed_time.now,
            monotonic=lambda: self.ticks,
            is_pausing=self.check_ins.is_due,
            pace=lambda: meter.pace,
            uptime_s=lambda: self.ticks,
        )
        exchange = Exchange(root, identity, self.link, settings, signed_time, equipment.reports)
        self.boots = Boots(root, "boot1")
        self.crashed: list[Crash] = []
        self.bell = Bell()
        stop.wait = self._wait
        self.delivery = Delivery(
            exchange,
            equipment,
            self.check_ins,
            Benches(equipment, exchange.package, self.trials, available=lambda: None, look=Conditions),
            chance=chance,
            boots=self.boots,
            stop=stop,
            bell=self.bell,
            crashes=self._take_crashed,
        )

    def _take_crashed(self) -> list[Crash]:
        crashed, self.crashed = self.crashed, []
        return crashed

    def _wait(self, timeout_s: float, wakers: Iterable[int] = ()) -> bool:
        self.ticks += timeout_s
        self.wakers = list(wakers)
        return False

    def work(self, for_s: float = 20.0) -> Agent:
        """Turn the loop until so much time has passed."""
        until = self.ticks + for_s
        for _ in range(400):
            if self.ticks >= until:
                return self
            self.delivery.turn()
        raise AssertionError("the loop never waits")


def measure() -> Capabilities:
    return Capabilities(
        arch="x86_64",
        cores=1,
        ram_bytes=1,
        disk_free_bytes=10**9,
        runtimes={"onnxruntime": "1.23.2"},
        agent_version="0",
    )
