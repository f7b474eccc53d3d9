"""Put measured values into slots: edge by edge, all numeric features at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

AT_ONCE_ROWS = 1024
"""So many rows of 25 features stay in a processor's cache."""
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Bins(NamedTuple):
    """One feature: the edges of its bins, or else its known classes, and its first slot among all."""

    edges: tuple[float, ...]
    classes: tuple[int, ...] | None
    start: int


class Binner:
    """Counts a matrix of values (rows, features) into one flat vector of slots."""

    def __init__(self, bins: Sequence[Bins]) -> None:
        self._numeric = np.array([i for i, one in enumerate(bins) if one.classes is None], np.int64)
        categorical = ((i, one.classes) for i, one in enumerate(bins) if one.classes is not None)
        self._classes = [(i, np.array(classes, np.float64)) for i, classes in categorical]
        self._starts = np.array([one.start for one in bins], np.int64)
        self._missing = self._starts + [len(one.edges if one.classes is None else one.classes) + 1 for one in bins]
        width = max((len(one.edges) for one in bins), default=0)
        self._edges = np.full((width, len(self._numeric), 1), np.nan)  # nothing is >= NaN: padding is never passed
        for row, place in enumerate(self._numeric):
            self._edges[: len(bins[place].edges), row, 0] = bins[place].edges

    def count(self, values: Floats, slots: int) -> Counts:
        """How many values fall in each of `slots` slots."""
        counts = np.zeros(slots, np.int64)
        for start in range(0, len(values), AT_ONCE_ROWS):
            found = self._found(values[start : start + AT_ONCE_ROWS])
            counts += np.bincount(found.ravel(), minlength=slots)
        return counts

    def _found(self, values: Floats) -> Counts:
        """The slot of each value, features first."""
        by_feature = np.ascontiguousarray(values.T)
        found = np.empty(by_feature.shape, np.int64)
        if len(self._numeric):
            found[self._numeric] = self._passed(by_feature[self._numeric])
        for place, classes in self._classes:
            found[place] = _places(classes, by_feature[place])
        found += self._starts[:, None]
        is_missing = np.isnan(by_feature)
        return np.where(is_missing, self._missing[:, None], found) if is_missing.any() else found

    def _passed(self, by_feature: Floats) -> npt.NDArray[Any]:
        """How many edges each value has reached."""
        passed = np.zeros(by_feature.shape, np.uint8)
        for edges in self._edges:
            passed += by_feature >= edges
        return passed


def _places(classes: Floats, values: Floats) -> Counts:
    """The place of each value among `classes`, which ascend; their number for any other."""
    if len(classes) == 0:
        return np.zeros(len(values), np.int64)
    place = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[place] == values, place, len(classes))
