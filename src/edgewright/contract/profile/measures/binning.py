"""Put measured values into slots: edge by edge, all numeric features at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

AT_ONCE_ROWS = 2048
"""So many rows of 25 features stay in a processor's cache."""
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]
"""Of float64 or float32."""
Mask = npt.NDArray[np.bool_]


class Bins(NamedTuple):
    """One feature: the edges of its bins, or else its known classes, and its first slot among all."""

    edges: tuple[float, ...]
    classes: tuple[int, ...] | None
    start: int


class Binner:
    """Counts a matrix of values (features, rows) into one flat vector of slots.

    Values of float32 are compared with float32 edges, each rounded up: that is the same as with the float64 ones, and
    takes half the time.
    """

    def __init__(self, bins: Sequence[Bins]) -> None:
        self._numeric = np.array([i for i, one in enumerate(bins) if one.classes is None], np.int64)
        self._is_all_numeric = len(self._numeric) == len(bins)
        categorical = ((i, one.classes) for i, one in enumerate(bins) if one.classes is not None)
        self._classes = [(i, np.array(classes, np.float64)) for i, classes in categorical]
        self._starts = np.array([[one.start] for one in bins], np.int64).reshape(-1, 1)
        slots = [len(one.edges if one.classes is None else one.classes) + 1 for one in bins]
        self._missing = self._starts + np.array(slots, np.int64).reshape(-1, 1)
        width = max((len(one.edges) for one in bins), default=0)
        edges = np.full((width, len(self._numeric), 1), np.nan)  # nothing is >= NaN: padding is never passed
        for row, place in enumerate(self._numeric):
            edges[: len(bins[place].edges), row, 0] = bins[place].edges
        self._edges = {np.dtype(np.float64): edges, np.dtype(np.float32): _rounded_up(edges)}

    def count(self, values: Values, slots: int, is_missing: Mask | None) -> Counts:
        """How many values fall in each of `slots` slots; `is_missing` says which are NaN, None where none is."""
        counts = np.zeros(slots, np.int64)
        for start in range(0, values.shape[1], AT_ONCE_ROWS):
            some = slice(start, start + AT_ONCE_ROWS)
            found = self._found(values[:, some])
            if is_missing is not None:
                found = np.where(is_missing[:, some], self._missing, found)
            counts += np.bincount(found.ravel(), minlength=slots)
        return counts

    def _found(self, values: Values) -> Counts:
        """The slot of each value, were it not missing."""
        if self._is_all_numeric:
            return np.add(self._passed(values), self._starts, dtype=np.int64)
        found = np.empty(values.shape, np.int64)
        if len(self._numeric):
            found[self._numeric] = self._passed(values[self._numeric])
        for place, classes in self._classes:
            found[place] = _places(classes, values[place])
        found += self._starts
        return found

    def _passed(self, values: Values) -> npt.NDArray[np.uint8]:
        """How many edges each value has reached."""
        passed, has_reached = np.zeros(values.shape, np.uint8), np.empty(values.shape, np.bool_)
        for edges in self._edges[values.dtype]:
            np.greater_equal(values, edges, out=has_reached)
            np.add(passed, has_reached.view(np.uint8), out=passed)
        return passed


def _rounded_up(edges: Floats) -> npt.NDArray[np.float32]:
    """The smallest float32 that is not below each edge; infinite where there is none."""
    with np.errstate(over="ignore"):
        near = edges.astype(np.float32)
        return np.where(near < edges, np.nextafter(near, np.float32(np.inf)), near)


def _places(classes: Floats, values: Values) -> Counts:
    """The place of each value among `classes`, which ascend; their number for any other."""
    if len(classes) == 0:
        return np.zeros(len(values), np.int64)
    if classes[-1] - classes[0] + 1 == len(classes):  # one after the other: no search
        place = np.clip(values - classes[0], -1, len(classes))
        with np.errstate(invalid="ignore"):
            whole = place.astype(np.int64)
        return np.where((whole == place) & (whole >= 0), whole, len(classes))
    place = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[place] == values, place, len(classes))
