"""An e-detector on yes-or-no events whose rate may rise: errors, 'wrong!' taps, missing values. Pure.

Of n events in a pane, x happened, and at most a share p was to be expected. For each of some extents f the
alternative is q = p + f·(1 − 2p): a share f of the events has turned over, and
M ← (M + minutes) · (q/p)^x ((1−q)/(1−p))^(n−x). Since that ratio grows with x, it is a bet that no rate of at most p
wins on average (Shin, Ramdas & Rinaldo 2022): p may be an upper limit, and each event may have a p of its own. Over
the extents the mean is taken; nothing needs to be learned first, so that few events are enough.
"""

from __future__ import annotations

import math

import numpy as np

from edgewright.hub.observe.detectors.baseline import Floats
from edgewright.hub.observe.detectors.evidence import capped

EXTENTS = (0.05, 0.1, 0.2, 0.4, 0.8)
MOST_P = 0.49
"""Of events that are expected more often, none is a sign."""


def upper(rate: Floats, rows: Floats, z: float = 1.645) -> Floats:
    """Wilson's upper limit (1927) of a rate that was measured on so many rows; 1 where there are none."""
    n = np.maximum(rows, 1e-9)
    middle = rate + z**2 / (2 * n)
    spread = z * np.sqrt(np.maximum(rate * (1 - rate), 0.0) / n + z**2 / (4 * n**2))
    return np.where(rows > 0, np.minimum((middle + spread) / (1 + z**2 / n), 1.0), 1.0)


def gains(p: Floats, happened: Floats, events: Floats, extents: tuple[float, ...] = EXTENTS) -> Floats:
    """ln Λ (extents, ...) of panes in which `happened` of `events` did, and at most a share `p` was to be expected."""
    p = np.clip(p, 1e-6, 1.0)
    turned = np.array(extents).reshape(-1, *([1] * np.ndim(p)))
    q = np.clip(p + turned * np.maximum(0.0, 1 - 2 * p), None, 1 - 1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = happened * np.log(q / p) + (events - happened) * np.log((1 - q) / (1 - p))
    return np.where(p <= MOST_P, ratio, 0.0)


def evidence(log_values: Floats) -> Floats:
    """ln of the mean over the extents, the first axis."""
    return capped(np.logaddexp.reduce(log_values, axis=0) - math.log(len(log_values)))
