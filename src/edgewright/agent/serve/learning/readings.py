"""What this process costs its machine: memory, CPU and heat, read once a window."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from edgewright.agent.system.conditions import conditions
from edgewright.contract.profile import FeatureKind

STATM = Path("/proc/self/statm")
Readings = Mapping[FeatureKind, float | None]


class Meter:
    """Reads this process. CPU is the mean since the reading before, in seconds a second; None where nothing is told."""

    def __init__(self) -> None:
        self._cpu_s, self._at_s = time.process_time(), time.monotonic()

    def __call__(self) -> Readings:
        """The readings now."""
        cpu_s, at_s = time.process_time(), time.monotonic()
        share = (cpu_s - self._cpu_s) / (at_s - self._at_s) if at_s > self._at_s else None
        self._cpu_s, self._at_s = cpu_s, at_s
        return {
            FeatureKind.MEMORY: _resident_bytes(),
            FeatureKind.CPU: share,
            FeatureKind.TEMPERATURE: conditions().temperature_c,
        }


def _resident_bytes() -> float | None:
    """The second number of /proc/self/statm, in pages (proc(5))."""
    try:
        return float(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
