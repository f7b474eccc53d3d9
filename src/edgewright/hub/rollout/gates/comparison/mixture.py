"""The mixture sequential probability ratio test, one-sided, on the difference of two arms' means."""

from __future__ import annotations

import math

import numpy as np

from edgewright.hub.rollout.gates.comparison.arms import Surplus

SCALE = 1.0
"""Of the prior on the rise: twice as many failures."""


def mixture_p(seen: Surplus, scale: float = SCALE) -> float:
    """The always-valid p-value of 'the canaries fail no more often': at most alpha, ever, with a chance of alpha.

    Robbins' mixture (1970) with a half-normal prior of standard deviation `scale` on the rise, as in
    Johari, Koomen, Pekelis & Walsh (Operations Research 2022, theorem 2) but for its one side; the variance is that
    between devices, estimated (asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, 2024).
    In the scale of its variance the difference of two means of devices is a Brownian motion whatever the looks
    (independent increments: Scharfstein, Tsiatis & Robins, JASA 1997), so this is a test martingale there.
    """
    variance = variance_of(seen)
    z = seen.rise / math.sqrt(variance)
    shrink = scale**2 / (variance + scale**2)
    log_ratio = 0.5 * math.log1p(-shrink) + 0.5 * z**2 * shrink + _log_twice_normal(z * math.sqrt(shrink))
    return math.exp(min(0.0, -log_ratio))


def variance_of(seen: Surplus) -> float:
    """Of the rise, by Welch or pooled over both arms, whichever is larger: few canaries may look too alike."""
    canaries, controls = len(seen.canary), len(seen.control)
    welch = seen.canary.var(ddof=1) / canaries + seen.control.var(ddof=1) / controls
    both = np.concatenate([seen.canary, seen.control])
    pooled = both.var(ddof=1) * (1.0 / canaries + 1.0 / controls)
    return max(float(max(welch, pooled)) / seen.per_rise**2, 1e-18)


def _log_twice_normal(z: float) -> float:
    """log(2 * the standard normal distribution function)."""
    return math.log(max(math.erfc(-z / math.sqrt(2.0)), 1e-300))
