"""Put measured values into slots: all numeric features at once for small batches, one by one for large ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile.features import FeatureKind

SMALL_BATCH_ROWS = 256
Counts = npt.NDArray[np.int64]
Bins = tuple[tuple[float, ...], tuple[int, ...], FeatureKind]
"""Edges, top classes and kind of one feature."""


class Binner:
    """Counts a matrix of values (rows, features) into one flat vector of slots."""

    def __init__(self, bins: Sequence[Bins], offsets: Sequence[int]) -> None:
        self._bins = [(np.array(edges), np.array(top, np.int64), kind) for edges, top, kind in bins]
        self._offsets = np.array(offsets[: len(bins)], np.int64)
        self._missing = np.array([_slots(edges, top, kind) - 1 for edges, top, kind in bins], np.int64)
        self._numeric = np.array([i for i, (_, _, kind) in enumerate(bins) if kind is FeatureKind.NUMERIC], np.int64)
        width = max((len(edges) for edges, _, _ in bins), default=0)
        self._edges = np.full((len(self._numeric), width), np.nan)  # nothing is >= NaN: padding is never passed
        for row, feature in enumerate(self._numeric):
            self._edges[row, : len(bins[feature][0])] = bins[feature][0]

    def count(self, values: npt.NDArray[np.float64], slots: int) -> Counts:
        """How many values fall in each of `slots` slots."""
        found = np.empty(values.shape, np.int64)
        if len(values) <= SMALL_BATCH_ROWS:
            passed = values[:, self._numeric, None] >= self._edges
            found[:, self._numeric] = np.count_nonzero(passed, axis=2)
        else:
            for feature in self._numeric:
                found[:, feature] = np.searchsorted(self._bins[feature][0], values[:, feature], side="right")
        for feature, (_, top, kind) in enumerate(self._bins):
            if kind is FeatureKind.CATEGORICAL:
                found[:, feature] = _classes(top, values[:, feature])
        found = np.where(np.isnan(values), self._missing, found)
        return np.bincount((found + self._offsets).ravel(), minlength=slots)


def _slots(edges: Sequence[float], top: Sequence[int], kind: FeatureKind) -> int:
    return (len(edges) if kind is FeatureKind.NUMERIC else len(top)) + 2


def _classes(top: Counts, values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    if len(top) == 0:
        return np.zeros(len(values), np.int64)
    place = np.minimum(np.searchsorted(top, values), len(top) - 1)
    return np.where(top[place] == values, place, len(top))
