"""How much time the maker has left, and so how hard it tries."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum

_PLAIN_FROM, _STORED_FROM = 0.5, 0.75  # shares of the time; the proof at the end takes some, too


class Effort(IntEnum):
    """What is tried."""

    STORED = 0  # equal ranges are copied, all else is stored
    PLAIN = 1  # one way of coding, no search
    FULL = 2


class Budget:
    """CPU seconds from now on; `clock` tells CPU seconds. None is all the time in the world."""

    def __init__(self, max_cpu_s: float | None = None, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._start_s = clock()
        self._max_s = max_cpu_s
        self.lowest = Effort.FULL

    @property
    def spent_s(self) -> float:
        """CPU seconds since the start."""
        return self._clock() - self._start_s

    def effort(self) -> Effort:
        """What may be tried now; it only ever falls."""
        if self._max_s is not None:
            share = self.spent_s / self._max_s if self._max_s > 0 else 1.0
            now = Effort.FULL if share < _PLAIN_FROM else Effort.PLAIN if share < _STORED_FROM else Effort.STORED
            self.lowest = min(self.lowest, now)
        return self.lowest
