"""Devices' failure rates, less what each device's own past foretells, in units of their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLIP = 3.0
MOST_RISE = 2.0
"""A device counts as no farther from what was foretold than so many times its noise, or so many times its rate."""
LIARS = 0.05
"""Of the devices: so many that lie shall not make an alarm."""
MOST_WEIGHT = 2.0
"""Times the mean: no device weighs more."""
LEAST_ROWS_SHARE, MOST_ROWS_SHARE = 0.1, 4.0
"""Of the median rows: a device with fewer is left out, one with more counts as if it had so many."""


LEAST_FORETOLD = 0.2
"""Of the mean rate: no device is believed to fail more seldom."""
MOST_FORETOLD = 0.99
ROUNDS = 4


@dataclass(frozen=True)
class Arm:
    """Counts by device, each of shape (devices,): requests and failed ones, since the switch and before it."""

    rows: Floats
    failed: Floats
    rows_before: Floats
    failed_before: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: NDArray[np.bool_]) -> Arm:
        return Arm(self.rows[which], self.failed[which], self.rows_before[which], self.failed_before[which])


@dataclass(frozen=True)
class Surplus:
    """What devices failed more than foretold, clipped and weighted.

    `per_rise` is by how much the canaries' mean would be higher if they failed twice as often, `most` the mean of what
    a device can count at most. `rate` is the share that fails over all devices.
    """

    canary: Floats
    control: Floats
    per_rise: float
    most: float
    effective_devices: float
    rate: float
    expected_failures: float

    @property
    def rise(self) -> float:
        """By which share the canaries fail more often: 1.0 is twice as often."""
        return float(self.canary.mean() - self.control.mean()) / self.per_rise

    @property
    def by_liars(self) -> float:
        """How much of the rise so many liars can make: canaries with any figures, and controls without a failure."""
        return LIARS * (1.0 + self.most / self.per_rise)


def surplus(canary: Arm, control: Arm) -> Surplus | None:
    """What both arms' devices failed more than foretold; None where nothing can be said.

    Every step treats both arms alike, so that under 'no difference' the devices remain exchangeable:

    1. Devices with hardly a request are left out; no device counts for more rows than four typical ones.
    2. The rate before is shrunk to the mean as far as it is noise (beta-binomial, by moments).
    3. CUPED (Deng, Xu, Kohavi & Walker, WSDM 2013): theta times that is foretold, by a regression without outliers.
    4. What is over is divided by its noise: binomial at the foretold rate, and what varies between devices beyond that.
    5. Clipped (Huber 1964), and weighted by how much of a rise the device would show, up to a cap.
    """
    canary, control = _with_enough(canary, control)
    if not len(canary) or not len(control):
        return None
    rows = np.concatenate([canary.rows, control.rows])
    rates = np.concatenate([canary.failed, control.failed]) / rows
    rows = np.minimum(rows, MOST_ROWS_SHARE * np.median(rows))
    if not 0.0 < rates.mean() < 1.0:
        return None
    foretold = _foretold(_before(canary, control), rates, rows)
    noise = _noise(foretold, rates, rows)
    shows = foretold / noise
    weights = np.minimum(shows, MOST_WEIGHT * shows.mean())
    most = np.maximum(CLIP, MOST_RISE * shows)
    over = weights * np.clip((rates - foretold) / noise, -most, most)
    size = len(canary)
    return Surplus(
        canary=over[:size],
        control=over[size:],
        per_rise=float(np.mean((weights * shows)[:size])),
        most=float((weights * most)[:size].mean()),
        effective_devices=float(min(_effective(weights[:size]), _effective(weights[size:]))),
        rate=float(foretold.mean()),
        expected_failures=float((foretold * rows)[:size].sum()),
    )


def _with_enough(canary: Arm, control: Arm) -> tuple[Arm, Arm]:
    rows = np.concatenate([canary.rows, control.rows])
    least = max(1.0, LEAST_ROWS_SHARE * float(np.median(rows[rows > 0]))) if (rows > 0).any() else 1.0
    return canary[canary.rows >= least], control[control.rows >= least]


def _before(canary: Arm, control: Arm) -> Floats:
    """Each device's rate before, as far as it is more than noise; the mean where a device has no past."""
    rows = np.concatenate([canary.rows_before, control.rows_before])
    failed = np.concatenate([canary.failed_before, control.failed_before])
    if not failed.any():
        return np.zeros(len(rows))
    mean = float(failed.sum() / rows.sum())
    known = rows > 0
    spread = float(np.var(failed[known] / rows[known])) - float(np.mean(mean * (1.0 - mean) / rows[known]))
    if spread <= 0:
        return np.full(len(rows), mean)
    prior_rows = max(1e-9, mean * (1.0 - mean) / spread - 1.0)
    return (failed + mean * prior_rows) / (rows + prior_rows)


def _foretold(before: Floats, rates: Floats, rows: Floats) -> Floats:
    """The rate of each device as its past foretells it: never more than in proportion to that.

    The fleet's rate, and how far the past foretells, are found in a few rounds, each without what stuck out before.
    """
    mean = float(before.mean())
    away = before - mean
    spread = float(np.mean(away**2))
    believed = rates
    for _ in range(ROUNDS):
        rate = float((believed * rows).sum() / rows.sum())
        theta = float(np.mean(away * (believed - believed.mean()))) / spread if spread > 1e-18 else 0.0
        most = rate / mean if mean > 0 else 0.0
        foretold = np.clip(rate + min(max(theta, 0.0), most) * away, LEAST_FORETOLD * rate, MOST_FORETOLD)
        expected = foretold * rows
        believed = np.minimum(rates, (expected + np.maximum(MOST_RISE * expected, CLIP * np.sqrt(expected))) / rows)
    return foretold


def _noise(foretold: Floats, rates: Floats, rows: Floats) -> Floats:
    """The binomial noise, and a spread between devices in proportion to their rate, by clipped moments."""
    expected = foretold * rows
    squares = np.minimum(((rates - foretold) * rows) ** 2, np.maximum(expected**2, CLIP**2 * expected))
    chance = expected * (1.0 - foretold)
    spread = max(0.0, float((squares - chance).sum() / (expected**2).sum()))
    return np.sqrt(chance / rows**2 + spread * foretold**2)


def _effective(weights: Floats) -> float:
    """How many devices of equal weight say as much (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())
