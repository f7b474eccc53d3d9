"""How much is asked of this device's models: by the requests that each serving process counts in its vitals."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgewright.agent.disk.vitals import ASIDE_PREFIX, FAULT_PREFIX, read_vitals

SPAN_S = 10.0  # over which requests are counted, at least
STALE_S = 180.0  # a count that began so long ago tells of another hour
MAX_FILES = 1000


class Traffic:
    """`folder` is DIR/run/vitals, of workers and apps alike. Times are of `monotonic`, in seconds."""

    def __init__(self, folder: Path, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._at: float | None = None
        self._counts: dict[str, int] = {}
        self._rate: float | None = None

    def requests_s(self) -> float | None:
        """Requests a second, since it was asked last; None where that was too long ago, or just now and never before.

        A process that has ended takes its last requests with it.
        """
        now = self._monotonic()
        if self._at is not None and now - self._at < SPAN_S:
            return self._rate
        before, at = self._counts, self._at
        self._counts, self._at, self._rate = self._read(), now, None
        if at is not None and now - at <= STALE_S:
            answered = sum(max(0, count - before.get(name, 0)) for name, count in self._counts.items())
            self._rate = answered / (now - at)
        return self._rate

    def _read(self) -> dict[str, int]:
        try:
            names = os.listdir(self._folder)[:MAX_FILES]
        except OSError:
            return {}
        kept = (name for name in names if not name.startswith((ASIDE_PREFIX, FAULT_PREFIX)))
        readings = {name: read_vitals(self._folder / name) for name in kept}
        return {name: reading.requests for name, reading in readings.items() if reading is not None}
