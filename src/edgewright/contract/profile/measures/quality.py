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
Mask = npt.NDArray[np.bool_]


class Watch:
    """Looks at the rows of one input as they come, and remembers the last ones from batch to batch.

    `may_repeat` says which features (as `reader.places`) are known to repeat: those are never stuck.
    """

    def __init__(self, reader: TensorReader, may_repeat: Array) -> None:
        self._reader = reader
        self._moving = np.flatnonzero(~may_repeat)
        self._last: Array = np.full(len(self._moving), np.nan)
        self._run = np.zeros(len(self._moving), np.int64)

    def flaws(self, rows: Array, values: Array, is_missing: Mask | None) -> tuple[int, int, int]:
        """How many rows have a missing value, one out of range, and one that is stuck.

        `values` are (features, rows), and `is_missing` says which of them are NaN (None: none is).
        """
        return _missing(self._reader, rows, is_missing), _outside(self._reader, rows), self._stuck(values)

    def _stuck(self, values: Array) -> int:
        """Rows in which a column (of a picture or a sound: everything about it) is as in the 29 rows before."""
        if not len(self._moving) or not values.shape[1]:
            return 0
        moving = values if len(self._moving) == len(values) else values[self._moving]
        is_same = np.empty(moving.shape, np.bool_)
        np.equal(moving[:, 0], self._last, out=is_same[:, 0])
        np.equal(moving[:, 1:], moving[:, :-1], out=is_same[:, 1:])
        self._last = moving[:, -1].copy()
        may_be = np.flatnonzero(is_same.any(axis=1))
        before, self._run = self._run, np.ones(len(self._moving), np.int64)
        if not len(may_be) or (not self._reader.has_columns and len(may_be) < len(self._moving)):
            return 0
        runs = _runs(is_same[may_be], before[may_be, None])
        self._run[may_be] = runs[:, -1]
        is_stuck = runs >= STUCK_ROWS
        return int((is_stuck.any(axis=0) if self._reader.has_columns else is_stuck.all(axis=0)).sum())


def _runs(is_same: Mask, before: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For how many rows each column has had its value, `before` being for how many it had the last one before."""
    at = np.arange(is_same.shape[1])
    began = np.maximum.accumulate(np.where(is_same, -1, at), axis=1)
    return np.where(began < 0, before + at + 1, at - began + 1)


def _missing(reader: TensorReader, rows: Array, is_missing: Mask | None) -> int:
    if reader.kind is FeatureKind.EMBEDDING:
        return int(np.count_nonzero(~np.isfinite(rows).all(axis=1)))
    return 0 if is_missing is None else int(np.count_nonzero(is_missing.any(axis=0)))


def _outside(reader: TensorReader, rows: Array) -> int:
    if reader.is_text or (reader.low is None and reader.high is None):
        return 0
    is_outside = np.zeros(rows.shape, np.bool_)
    if reader.low is not None:
        is_outside |= rows < reader.low
    if reader.high is not None:
        is_outside |= rows > reader.high
    return int(np.count_nonzero(is_outside.any(axis=1)))
