"""Counts of one version in the slots of another, for features whose bins never change. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile import Schema
from edgewright.hub.observe.detectors.baseline import COUNTED

Floats = npt.NDArray[np.float64]


def mapped(counts: Floats, old: Schema, new: Schema) -> Floats:
    """`counts` (slots of `old`) in the slots of `new`; zero in every feature that has a reference, or differs."""
    found = np.zeros(new.offsets[-1])
    places = {feature.name: place for place, feature in enumerate(old.features)}
    for place, feature in enumerate(new.features):
        before = places.get(feature.name)
        if feature.kind in COUNTED or before is None or old.features[before] != feature:
            continue
        start, end = old.offsets[before], old.offsets[before + 1]
        if end - start == new.offsets[place + 1] - new.offsets[place]:
            found[new.offsets[place] : new.offsets[place + 1]] = counts[start:end]
    return found
