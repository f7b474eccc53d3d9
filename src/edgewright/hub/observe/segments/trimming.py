"""Pooled counts in which a few devices cannot shout: for features that no training data bound. Pure.

Data are compared with training data, and a drift must stay large without those devices that make most of it. Latency,
resources, flaws and taps are compared with a version's own first days, by high percentiles and rare events: one device
in twenty could make all of them. So of a large fleet's pane
1. times, memory, CPU and temperature leave out, at either end, the tenth of the devices that are the most extreme;
2. a device's share of flawed rows, of missing values and of taps counts for no more than that of the device above which
   only a tenth are.
What is usual is learned from panes that were made alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile import FeatureKind, Schema
from edgewright.hub.observe.segments.model import LIARS

Floats = npt.NDArray[np.float64]

LEFT_OUT = 2 * LIARS
"""Half a fleet is in a pane at least: so one in twenty of all is one in ten of it at most."""
EXTREME = (FeatureKind.LATENCY, FeatureKind.MEMORY, FeatureKind.CPU, FeatureKind.TEMPERATURE)
RARE = (FeatureKind.QUALITY, FeatureKind.FEEDBACK)


def pooled(schema: Schema, counts: Floats, rows: Floats) -> Floats:
    """The sum over devices of `counts` (devices, slots), of `rows` (devices,) each, trimmed as said above."""
    found: Floats = counts.sum(axis=0)
    out = int(len(rows) * LEFT_OUT)
    if not out:
        return found
    for place, feature in enumerate(schema.features):
        span = slice(schema.offsets[place], schema.offsets[place + 1])
        if feature.kind in EXTREME:
            found[span] = _without_extremes(counts[:, span], out)
        elif feature.kind in RARE:
            found[span] = _capped(counts[:, span], rows, out)
        elif feature.kind in (FeatureKind.NUMERIC, FeatureKind.CATEGORICAL):
            found[span.stop - 1] = _capped(counts[:, [span.stop - 1]], rows, out)[0]
    return found


def _without_extremes(counts: Floats, out: int) -> Floats:
    """By the mean slot of each device; devices that counted nothing do not take part."""
    total = counts.sum(axis=1)
    some = np.flatnonzero(total > 0)
    if len(some) <= 2 * out:
        return np.asarray(counts.sum(axis=0))
    means = counts[some] @ np.arange(counts.shape[1]) / total[some]
    kept = some[np.argsort(means, kind="stable")[out : len(some) - out]]
    return np.asarray(counts[kept].sum(axis=0))


def _capped(counts: Floats, rows: Floats, out: int) -> Floats:
    shares = counts / np.maximum(rows, 1e-9)[:, None]
    most = np.sort(shares, axis=0)[len(rows) - out - 1]
    return np.asarray((np.minimum(shares, most) * rows[:, None]).sum(axis=0))
