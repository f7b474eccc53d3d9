"""What is wrong with the rows of one input: missing, out of the contract's range, stuck."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile.features import FeatureKind
from edgewright.contract.profile.measures.reading import TensorReader

STUCK_ROWS = 30
"""So many rows in a row with one and the same value: the sensor, not the world."""
STEADY_SHARE = 0.5
"""A value that fills so much of the reference may well repeat for long."""
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class Watch:
    """Looks at the rows of one input as they come, and remembers the last ones from batch to batch.

    `may_repeat` says which features (as `reader.places`) are known to repeat: those are never stuck.
    """

    def __init__(self, reader: TensorReader, may_repeat: Array) -> None:
        self._reader = reader
        self._moving = np.flatnonzero(~may_repeat)
        self._last = np.full(len(self._moving), np.nan)
        self._run = np.ones(len(self._moving), np.int64)

    def flaws(self, rows: Array, values: Floats) -> tuple[int, int, int]:
        """How many rows have a missing value, one out of range, and one that is stuck."""
        return int(_missing(self._reader, rows, values)), int(_outside(self._reader, rows)), self._stuck(values)

    def _stuck(self, values: Floats) -> int:
        """Rows in which a column (of a picture or a sound: everything about it) is as in the 29 rows before."""
        if not len(self._moving) or not len(values):
            return 0
        moving = values[:, self._moving]
        is_same = np.vstack([moving[:1] == self._last, moving[1:] == moving[:-1]])
        self._last = moving[-1]
        if not is_same.any():
            self._run[:] = 1
            return 0
        at = np.arange(1, len(values) + 1)[:, None]
        began = np.maximum.accumulate(np.where(is_same, -self._run, at - 1), axis=0)
        runs = at - np.where(began < 0, -self._run, began)
        self._run = runs[-1]
        is_stuck = runs >= STUCK_ROWS
        return int((is_stuck.any(axis=1) if self._reader.has_columns else is_stuck.all(axis=1)).sum())


def _missing(reader: TensorReader, rows: Array, values: Floats) -> int:
    if reader.kind is FeatureKind.EMBEDDING:
        return int(np.count_nonzero(~np.isfinite(rows).all(axis=1)))
    return int(np.count_nonzero(np.isnan(values).any(axis=1)))


def _outside(reader: TensorReader, rows: Array) -> int:
    if reader.is_text or (reader.low is None and reader.high is None):
        return 0
    is_outside = np.zeros(rows.shape, np.bool_)
    if reader.low is not None:
        is_outside |= rows < reader.low
    if reader.high is not None:
        is_outside |= rows > reader.high
    return int(np.count_nonzero(is_outside.any(axis=1)))
