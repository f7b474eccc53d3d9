"""What hours of the week may stand for: only features whose whole weeks are as the training data.

What the same hour brought before is what is expected of a stream with seasons. It must not make a drift usual: a camera
that was dirty from its first day is as dirty at the same hour of the week before. Seasons cancel out over whole weeks
and a drift does not, so a feature whose weeks, all hours together, differ from training by what is news at all is
compared with training.
"""

from __future__ import annotations

import numpy as np

from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.drift.effects import TOLERANCE, total_variation
from edgewright.hub.observe.detectors.drift.embeddings import TOLERANCE_MMD, distances
from edgewright.hub.observe.detectors.drift.means import TOLERANCE_SD
from edgewright.hub.observe.detectors.model import Booleans


def unlike_training(baseline: Baseline, weeks: Floats) -> Booleans:
    """(slots,): True for all slots of features of which whole weeks (slots,) differ from training by a tolerance."""
    groups = baseline.groups
    counts = np.maximum(groups.of(weeks), 0.0)
    varied = total_variation(groups, counts, groups.shares, groups.n_ref) >= TOLERANCE
    rows = np.maximum((counts * groups.is_ordered).sum(axis=1), 1.0)
    shifted = np.abs((counts * groups.scores).sum(axis=1) / rows) >= TOLERANCE_SD
    far = {name for name, is_far in zip(groups.names, varied | shifted, strict=True) if is_far}
    far |= {name for name, distance in distances(baseline, weeks).items() if distance >= TOLERANCE_MMD}
    found = np.zeros(baseline.schema.offsets[-1], np.bool_)
    for name in far:
        found[baseline.schema.span(name)] = True
    return found
