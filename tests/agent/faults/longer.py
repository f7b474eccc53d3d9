"""Scenarios that come later in a device's life: chains of deltas, two models, crashes, weeks offline."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import offline
from device import Device
from faults.packages import answering_counter
from faults.scenarios import ATTEMPTS, Update
from faults.tally import BRICKED
from faults.tracing import mark

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import Spool
from edgewright.agent.machine import Machine
from edgewright.agent.serve.condense import condense
from edgewright.agent.states import Crash, active_slot
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.report import Outcome, ProfileWindow

CRASHES = 3
OTHER = "other"


class Chain(Update):
    """Release 3 by two deltas, on a device that has release 1 alone."""

    def __init__(self) -> None:
        super().__init__("chain", installed=1, ends_at=3)

    def _offer(self):
        install, manifest, data = self.releases.install(3)
        links = (*install.fetches, *self.releases.install(2)[0].fetches)
        return msgspec.structs.replace(install, fetches=links), manifest, data

    @property
    def _counter(self) -> int:
        return 3


class Crashing(Update):
    """The active package crashes after its commit until the device goes back by itself."""

    def __init__(self) -> None:
        super().__init__("crashes", installed=2, ends_at=1, outcome=Outcome.ROLLED_BACK, gives_up=2)

    def _order(self, device: Device) -> None:
        for _ in range(CRASHES):
            active = active_slot(device.record)
            if active is None or active.counter != self.gives_up:
                return
            device.machine.blame(Crash(model="digits", manifest_sha256=active.manifest_sha256, reason="it crashed"))
            device.settle()


class TwoModels(Update):
    """Two models that have files in common are updated side by side."""

    def __init__(self) -> None:
        super().__init__("two models", installed=1, ends_at=2)

    def prepare(self, root: Path) -> None:
        super().prepare(root)
        self._bring_other(root, Device(root, self.shelf), 1)

    def _order(self, device: Device) -> None:
        super()._order(device)
        self._bring_other(device.root, device, 2)

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        why = super().mend(root, marks)
        found = answering_counter(root, OTHER) if self.is_thorough else 2
        return why or ("" if found == 2 else f"{BRICKED}: release {found} of the other model answers at the end")

    def _broken(self, root: Path, marks: Sequence[str]) -> str:
        found = answering_counter(root, OTHER) if self.is_thorough else 1
        return super()._broken(root, marks) or ("" if found in (1, 2) else f"{BRICKED}: the other model: {found}")

    def _bring_other(self, root: Path, device: Device, counter: int) -> None:
        machine = Machine(OTHER, device.machine._equipment)
        facts = {"model": OTHER, "deployment": f"o{counter}", "target_path": f"{OTHER}/{counter}/cpu.json"}
        offer = self.releases.install(counter, of={"model": OTHER}, **facts)
        for ends in (False, True):
            while not machine.is_idle:
                machine.step()
            if not ends:
                machine.offer(*offer)


class Weeks:
    """Weeks of profiles are condensed, adopted, sent and acknowledged: every row counts once, and none is lost."""

    name = "condensing"
    is_thorough = True
    MINUTES = 26 * 60  # with a window for each

    def __init__(self) -> None:
        self._rows = 0

    def prepare(self, root: Path) -> None:
        windows = offline.windows(self.MINUTES)
        self._rows = sum(window.rows for window in windows)
        durable.make_folder(root)
        offline.write(root / "spool", *windows)

    def act(self, root: Path) -> None:
        spool = Spool(root / "spool")
        for _ in range(3):
            if condense(root / "spool"):
                spool.adopt()
            entries = spool.pending(20, 10**6)
            spool.sending(entries)
            for entry in entries:
                mark(f"delivered {entry.record.id} {_rows(entry.record)}")
            spool.acknowledge([entry.record.id for entry in entries])

    def endure(self, root: Path, *, is_writable: bool) -> None:
        for _ in range(ATTEMPTS):
            with contextlib.suppress(EdgewrightError, OSError):
                self.act(root)
                break
        mark("lifted")

    def find(self, root: Path, marks: Sequence[str]) -> str:
        delivered = {said.split()[1]: int(said.split()[2]) for said in marks if said.startswith("delivered")}
        waiting = {entry.record.id: _rows(entry.record) for entry in Spool(root / "spool").pending(10**6, 10**9)}
        rows = sum({**waiting, **delivered}.values())
        return "" if rows == self._rows else f"{rows} rows would be counted, of {self._rows}"

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        if why := self.find(root, marks):
            return why
        spool = Spool(root / "spool")
        while condense(root / "spool") and spool.adopt():
            pass
        return self.find(root, marks)


def _rows(record: object) -> int:
    return record.rows if isinstance(record, ProfileWindow) else 0
