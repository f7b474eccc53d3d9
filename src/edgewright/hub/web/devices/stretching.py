"""How far the hub stretches the time between check-ins when it has too much to do: a pure rule, and its measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from edgewright.contract.order import MAX_POLL_S, MIN_POLL_S

FACTORS = (1, 2, 4, 8)
"""By the level of stretching."""
DEFAULT_POLL_S = 30.0
WINDOW_S = 5.0
BUSY = 0.75
QUIET = 0.30
HOLD_S = 60.0


class Stretch(NamedTuple):
    """A level, and since when (any clock's seconds)."""

    level: int = 0
    since: float = float("-inf")


def next_stretch(now_level: Stretch, busy: float, poll_s: float, now: float) -> Stretch:
    """What follows where the hub is `busy` so much of its time (0 to 1, or more where work piles up).

    One level up above BUSY, one down below QUIET: as each level halves the check-ins, what is quiet at one level is at
    most 2 × QUIET < BUSY at the one below, so that levels do not flap. Whichever way, the devices must have heard of
    one change, at their own pace, before the next.
    """
    settled_s = max(HOLD_S, FACTORS[now_level.level] * poll_s)
    if now - now_level.since < settled_s:
        return now_level
    if busy > BUSY and now_level.level < len(FACTORS) - 1:
        return Stretch(now_level.level + 1, now)
    if busy < QUIET and now_level.level > 0:
        return Stretch(now_level.level - 1, now)
    return now_level


def stretched(poll_s: float | None, level: int) -> float | None:
    """What a device is told; None: as it is set. Where it is set is not known, so it is told a multiple of 30 s."""
    if poll_s is None and not level:
        return None
    return min(MAX_POLL_S, max(MIN_POLL_S, (poll_s or DEFAULT_POLL_S) * FACTORS[level]))


class Load:
    """Measures how busy the thread of the event loop is, and how much piles up behind it, over windows of WINDOW_S."""

    def __init__(
        self,
        poll_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self._poll_s = poll_s
        self._monotonic = monotonic
        self._thread_time = thread_time
        self._stretch = Stretch()
        self._began: tuple[float, float] | None = None

    @property
    def level(self) -> int:
        """An index of FACTORS."""
        return self._stretch.level

    def look(self, piled: float) -> None:
        """Call it in the event loop's thread now and then; `piled` is the share of the places that are taken."""
        now, spent_s = self._monotonic(), self._thread_time()
        if self._began is None:
            self._began = now, spent_s
        wall_s = now - self._began[0]
        if wall_s >= WINDOW_S:
            busy = max((spent_s - self._began[1]) / wall_s, piled)
            self._stretch = next_stretch(self._stretch, busy, self._poll_s, now)
            self._began = now, spent_s
