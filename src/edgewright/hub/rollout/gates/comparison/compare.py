"""Which of the two tests is asked, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from edgewright.hub.rollout.gates.comparison.arms import Arm, Surplus, surplus
from edgewright.hub.rollout.gates.comparison.exact import look_of, permutation_p, spending
from edgewright.hub.rollout.gates.comparison.mixture import mixture_p, variance_of

FEWEST_DEVICES = 3
LEAST_DEVICES = 15
LEAST_FAILURES = 20.0
"""Of canaries to be expected: with fewer, or fewer devices, sums are not normal enough for the mixture."""
LEAST_RISE = 0.25
"""A rise of the rate by less is no harm, however sure."""
SEEN_Z = 4.1
"""How many standard errors a rise must have to be seen at 5 % in eight of ten cases."""


class Method(StrEnum):
    """How two arms were compared."""

    MIXTURE = "mixture"
    EXACT = "exact"
    NONE = "none"


@dataclass(frozen=True)
class Comparison:
    """What a look has found. `p` is valid at every look: at or below alpha it is an alarm, if the rise is an effect.

    `visible_rise` is what would be seen by now in four of five cases, as a share of the rate; infinite where no rise
    would. `look` is the last look of the exact test, which it remembers.
    """

    method: Method
    p: float
    rate: float = 0.0  # that fails, over all devices
    rise: float = 0.0
    visible_rise: float = math.inf
    look: int = 0

    def is_alarm(self, alpha: float) -> bool:
        """Whether the canaries fail so much more often that the wave must go back."""
        return self.p <= alpha and self.rise >= LEAST_RISE


def compare(canary: Arm, control: Arm, look: int = 0) -> Comparison:
    """Compare both arms; `look` is that of the comparison before. Both tests have half of all false alarms.

    At a look of the exact test that was taken already it says nothing new: `p` is 1.
    """
    seen = surplus(canary, control)
    if seen is None:
        return Comparison(Method.NONE, 1.0, look=look)
    devices = min(len(seen.canary), len(seen.control))
    if devices < FEWEST_DEVICES:
        return Comparison(Method.NONE, 1.0, seen.rate, seen.rise, look=look)
    visible = _visible(seen, devices)
    if seen.effective_devices >= LEAST_DEVICES and seen.expected_failures >= LEAST_FAILURES:
        p = min(1.0, 2.0 * mixture_p(seen))
        return Comparison(Method.MIXTURE, p, seen.rate, seen.rise - seen.by_liars, visible, look)
    due = look_of(seen.expected_failures)
    if due <= look:
        return Comparison(Method.EXACT, 1.0, seen.rate, seen.rise - seen.by_liars, visible, look)
    p = min(1.0, 2.0 * spending(due) * permutation_p(seen))
    return Comparison(Method.EXACT, p, seen.rate, seen.rise - seen.by_liars, visible, due)


def _visible(seen: Surplus, devices: int) -> float:
    """Two devices alone never give an alarm: a fleet of which one in twenty lies must not go back for them."""
    if devices < 3:
        return math.inf
    return SEEN_Z * math.sqrt(variance_of(seen))
