"""Virtual time: a clock that moves from deed to deed, and the deeds in their order."""

from __future__ import annotations

import hashlib
import heapq
import math
import random
from collections.abc import Callable

Deed = Callable[[], None]


class Agenda:
    """What is to be done when. Times are in seconds since the epoch; deeds of one moment are done as they were put."""

    def __init__(self, begins_at: float) -> None:
        self.now = begins_at
        self._waiting: list[tuple[float, int, Deed]] = []
        self._count = 0

    def clock(self) -> float:
        """The present moment."""
        return self.now

    def at(self, moment: float, deed: Deed) -> None:
        """Do this at `moment`, or next where that has passed."""
        self._count += 1
        heapq.heappush(self._waiting, (max(moment, self.now), self._count, deed))

    def after(self, wait_s: float, deed: Deed) -> None:
        """Do this `wait_s` from now."""
        self.at(self.now + wait_s, deed)

    def every(self, period_s: float, deed: Deed) -> None:
        """Do this again and again."""

        def again() -> None:
            deed()
            self.after(period_s, again)

        self.after(period_s, again)

    @property
    def next_at(self) -> float:
        """When there is something to do; infinite where there never is."""
        return self._waiting[0][0] if self._waiting else math.inf

    def step(self) -> bool:
        """Move to the next deed and do it; False where there is none."""
        if not self._waiting:
            return False
        moment, _, deed = heapq.heappop(self._waiting)
        self.now = max(self.now, moment)
        deed()
        return True


def dice(seed: int, *names: object) -> random.Random:
    """Randomness of its own for whatever has this name: what others draw changes nothing about it."""
    said = ":".join(map(str, (seed, *names)))
    return random.Random(hashlib.sha256(said.encode()).digest())  # noqa: S311  a simulation is to be repeated
