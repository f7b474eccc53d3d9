"""When to do what: the next check-in, and how long to wait after a failure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.agent.link.line import Later, TurnedAway
from edgewright.contract.errors import NotAllowed

FIRST_BACK_OFF_S = 1.0
JITTER = 0.2


@dataclass(frozen=True)
class Chance:
    """Randomness: for waits, and for nonces that nobody can guess."""

    uniform: Callable[[float, float], float] = random.SystemRandom().uniform
    nonce: Callable[[], str] = lambda: random.SystemRandom().randbytes(16).hex()


class Schedule:
    """One thing that is to be done again and again: after its period, or later and later while it fails.

    Periods are jittered, so that a fleet that was switched on together does not ask together; back-off is
    exponential with full jitter. Times are of `monotonic`, in seconds.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        chance: Chance,
        max_back_off_s: float,
        paced_s: Callable[[float], float] = lambda wait_s: wait_s,
    ) -> None:
        """`paced_s` makes of each wait, in seconds, how long it must be at least."""
        self._monotonic = monotonic
        self._paced_s = paced_s
        self._chance = chance
        self._max_back_off_s = max_back_off_s
        self._failures = 0
        self._due_at = monotonic()

    def is_due(self) -> bool:
        """Whether it is time."""
        return self._monotonic() >= self._due_at

    def remaining_s(self) -> float:
        """How long until it is time."""
        return max(0.0, self._due_at - self._monotonic())

    def succeed(self, period_s: float) -> None:
        """It was done; do it again after about `period_s`."""
        self._failures = 0
        self._wait(period_s * self._chance.uniform(1 - JITTER, 1 + JITTER))

    def fail(self, error: Exception | None = None) -> None:
        """It failed; wait, longer with every failure in a row, and never less than the `error` says (Later)."""
        self._failures += 1
        ceiling = min(self._max_back_off_s, FIRST_BACK_OFF_S * 2.0 ** min(self._failures, 32))
        if isinstance(error, Later):
            self._wait(error.wait_s + self._chance.uniform(0.0, error.spread_s))
        else:
            self._wait(self._chance.uniform(0.0, ceiling))

    def give_up(self, error: NotAllowed | None = None) -> None:
        """It was refused; ask again after the longest wait, or after what the `error` says (TurnedAway)."""
        self._failures += 1
        said_s = error.wait_s if isinstance(error, TurnedAway) else 0.0
        self._wait((said_s or 0.5 * self._max_back_off_s) * self._chance.uniform(1.0, 2.0))

    def hurry(self) -> None:
        """Do it next, unless it has just failed."""
        if not self._failures:
            self._due_at = self._monotonic()

    def _wait(self, wait_s: float) -> None:
        self._due_at = self._monotonic() + max(wait_s, self._paced_s(wait_s))
