"""A tensor in a file as rows of elements, some at a time; also the transpose of one."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgewright.contract.delta.coding.elements import Array, Element
from edgewright.contract.delta.coding.predict import Prediction
from edgewright.contract.delta.format import block_rows
from edgewright.contract.delta.source import Source

_STRIPE_BYTES = 1 << 21  # of a transposed tensor that is held at a time: the more, the longer its reads


class Rows(Protocol):
    """A (rows, columns) tensor that lies in a Source."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def read(self, first: int, count: int) -> Array:
        """The bit patterns of `count` rows from row `first` on, as (count, columns)."""


class Straight:
    """Rows as they lie in the file, from the byte `start` on."""

    def __init__(self, source: Source, start: int, element: Element, rows: int, columns: int) -> None:
        self.shape = rows, columns
        self._source = source
        self._start = start
        self._element = element

    def read(self, first: int, count: int) -> Array:
        """See Rows."""
        row_bytes = self.shape[1] * self._element.size_bytes
        data = self._source.read(self._start + first * row_bytes, count * row_bytes)
        return np.frombuffer(data, self._element.dtype).reshape(count, self.shape[1])


class Transposed:
    """Rows that are the columns of what lies in the file; cheap if they are read in order."""

    def __init__(self, source: Source, start: int, element: Element, rows: int, columns: int) -> None:
        self.shape = rows, columns
        self._source = source
        self._start = start
        self._element = element
        self._stripe: Array = np.zeros((0, columns), element.dtype)
        self._first = 0

    def read(self, first: int, count: int) -> Array:
        """See Rows."""
        if not self._first <= first <= first + count <= self._first + len(self._stripe):
            self._stripe, self._first = self._read_stripe(first, count), first
        return self._stripe[first - self._first : first - self._first + count]

    def _read_stripe(self, first: int, count: int) -> Array:
        rows, columns = self.shape
        width = self._element.size_bytes
        wanted = max(1, _STRIPE_BYTES // (columns * width)) // count * count
        size = min(rows - first, max(count, wanted))
        stripe = np.empty((columns, size), self._element.dtype)
        for column in range(columns):
            at = self._start + (column * rows + first) * width
            stripe[column] = np.frombuffer(self._source.read(at, size * width), self._element.dtype)
        return np.ascontiguousarray(stripe.T)


def predicted_rows(prediction: Prediction, base: Rows, first: int, count: int, element: Element) -> Array:
    """What is predicted for `count` rows from row `first` on, reckoned a block at a time."""
    step = block_rows(base.shape[1], element)
    if count <= step:
        return prediction.of(base.read(first, count), first)
    predicted = np.empty((count, base.shape[1]), element.dtype)
    for start in range(0, count, step):
        size = min(step, count - start)
        predicted[start : start + size] = prediction.of(base.read(first + start, size), first + start)
    return predicted
