"""How large a drift is, freed of what sampling adds, and which way it goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.contract.profile import FeatureKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, Groups

TOLERANCE = 0.1
"""Total variation that is no news, however sure: a tenth of the rows fall in other bins than expected."""
KS_NOISE = math.sqrt(math.pi / 2) * math.log(2)
WORLD_SHARE = 1 / 5
"""Live rows are drawn from a world of at least this share of the reference's rows."""


def reference_variance(n_ref: Floats) -> Floats:
    """What sampling the reference, and a finite world, add to the variance of a share p, over p(1 − p)."""
    return np.asarray((1 + 1 / WORLD_SHARE) / np.maximum(n_ref, 1))


def total_variation(groups: Groups, counts: Floats, shares: Floats, n_ref: Floats, *, caution: float = 0.0) -> Floats:
    """Between `counts` (..., features, groups) and `shares`, freed of what sampling adds.

    Two samples of one truth differ: by about √(groups · v / 2π), v = 6/n_ref + 1/rows, with the finite world of
    the margin. Noise and drift add up in squares, so the noise is taken off in squares. `caution`/√rows is taken
    off first (about 3 standard deviations at 1), where single devices are judged by few rows.
    """
    rows = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = 0.5 * np.abs(counts / rows[..., None] - shares).sum(axis=-1) - caution / np.sqrt(rows)
        noise = groups.sizes * (reference_variance(n_ref) + 1 / rows) / (2 * math.pi)
        freed = np.sqrt(np.maximum(0.0, np.maximum(0.0, apart) ** 2 - noise))
    return np.where(rows > 0, freed, 0.0)


def kolmogorov(groups: Groups, counts: Floats, shares: Floats, inflation: Floats) -> Floats:
    """The largest difference of the shares up to each bin (features,), 'missing' left out; 0 where bins have no order.

    Sampling alone makes √(π/2)·ln 2/√rows of it on average (Kolmogorov's distribution), which is taken off in squares;
    `inflation` (features,) is how many times that variance comes from live rows and what they are compared with.
    """
    known = groups.is_ordered
    rows = np.maximum((counts * known).sum(axis=1), 1e-300)
    of_expected = np.maximum((shares * known).sum(axis=1), 1e-300)
    apart = np.cumsum((counts / rows[:, None] - shares / of_expected[:, None]) * known, axis=1)
    largest = np.abs(apart).max(axis=1, initial=0.0)
    return np.where(known.any(axis=1), np.sqrt(np.maximum(0.0, largest**2 - KS_NOISE**2 * inflation / rows)), 0.0)


def directions(groups: Groups, counts: Floats, shares: Floats) -> list[str]:
    """One word for each feature: 'higher', 'lower', 'spread' (both ways), 'missing' or 'mix' (of classes)."""
    seen = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return [_direction(groups, place, seen[place], shares[place]) for place in range(len(groups.features))]


def drifting_devices(
    baseline: Baseline, alarmed: Sequence[str], counts: Mapping[str, Floats], tolerance: float = TOLERANCE
) -> tuple[str, ...]:
    """Those devices whose own counts (slots,) differ from the reference in an alarmed feature."""
    groups = baseline.groups
    places = [groups.names.index(name) for name in alarmed if name in groups.names]
    apart = total_variation(groups, groups.of_each(list(counts.values())), groups.shares, groups.n_ref, caution=1.0)
    is_far = np.asarray((apart[:, places] >= tolerance).any(axis=1))
    return tuple(sorted(device for device, far in zip(counts, is_far, strict=True) if far))


def _direction(groups: Groups, place: int, seen: Floats, expected: Floats) -> str:
    missing = groups.sizes[place] - 1
    change = seen[:missing] - expected[:missing]
    if seen[missing] - expected[missing] > np.abs(change).sum() / 2:
        return "missing"
    if groups.features[place].kind is FeatureKind.CATEGORICAL:
        return "mix"
    below = np.cumsum(change)
    lower, higher = max(0.0, float(below.max(initial=0))), max(0.0, float(-below.min(initial=0)))
    if min(lower, higher) > max(lower, higher) / 2:
        return "spread"
    return "higher" if higher > lower else "lower"
