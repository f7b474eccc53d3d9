"""An update whose lease is over when it comes, and which a later order lets go on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from device import NOW, Device
from faults.scenarios import MarkedVerdicts, Update
from faults.tracing import mark

from edgewright.agent.machine import LeaseOver


class Renewal(Update):
    """What is fetched waits, and takes over only after the lease was renewed, however often the device goes down."""

    def __init__(self) -> None:
        super().__init__("renewal", installed=1, ends_at=2)

    def find(self, root: Path, marks: Sequence[str]) -> str:
        if "renewed" not in marks and self._look(root) == self.ends_at:
            return "it took over without a lease"
        return super().find(root, marks)

    def _carry_out(self, root: Path, device: Device | None = None) -> None:
        device = device or Device(root, self.shelf, MarkedVerdicts(*self.script))
        install, manifest, data = self._offer()
        over = msgspec.structs.replace(install, lease_until=NOW - 1.0)
        with contextlib.suppress(LeaseOver):
            device.settle()
        device.machine.offer(over, manifest, data)
        with contextlib.suppress(LeaseOver):
            device.settle()
        mark("renewed")
        device.machine.heed(msgspec.structs.replace(install, lease_until=NOW + 60.0))
        device.settle()
