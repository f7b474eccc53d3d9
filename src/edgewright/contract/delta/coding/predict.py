"""What a tensor is expected to have become: the base itself, multiples of it, or the base plus a low-rank update."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol

import numpy as np

from edgewright.contract.delta.coding.elements import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    INT8,
    Array,
    Element,
    rounded,
    singles,
)
from edgewright.contract.delta.coding.symbols import read_planes, write_planes
from edgewright.contract.delta.reader import Reader, require
from edgewright.contract.delta.writer import Writer

MAX_RANK = 64
MAX_FACTORS = 1 << 20  # float32 numbers that a prediction may have of its own

_BITS = np.dtype("<i4")
_SINGLE = np.dtype("<f4")
_DOUBLE = np.dtype("<f8")


class Kind(IntEnum):
    """How a prediction is reckoned."""

    SAME = 0
    SCALED = 1
    LOW_RANK = 2
    ROWS_SCALED = 3
    COLUMNS_SCALED = 4


ELEMENTS = {
    Kind.SCALED: (INT8, FLOAT16, BFLOAT16, FLOAT32),
    Kind.ROWS_SCALED: (INT8, FLOAT16, BFLOAT16, FLOAT32),
    Kind.COLUMNS_SCALED: (INT8, FLOAT16, BFLOAT16, FLOAT32),
    Kind.LOW_RANK: (FLOAT16, BFLOAT16, FLOAT32),
}


class Prediction(Protocol):
    """Every machine predicts the same bits: single operations of IEEE arithmetic, in a fixed order."""

    @property
    def name(self) -> str:
        """What people call it."""

    def of(self, base: Array, first_row: int) -> Array:
        """Predict the bit patterns of some rows from the base's; `first_row` is the first one's number."""

    def write(self, writer: Writer) -> None:
        """Its kind, then its parameters."""


@dataclass(frozen=True, slots=True)
class Same:
    """The base itself."""

    name: ClassVar[str] = "same"

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        return base

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(Kind.SAME)


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """The base times one float64 factor, or a float32 one for each row or column.

    That is weight decay, or int8 weights whose scales have drifted.
    """

    element: Element
    kind: Kind
    factors: Array

    @property
    def name(self) -> str:
        """See Prediction."""
        return {Kind.ROWS_SCALED: "scaled rows", Kind.COLUMNS_SCALED: "scaled columns"}.get(self.kind, "scaled")

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        factors = self.factors
        if self.kind is Kind.ROWS_SCALED:
            factors = factors[first_row : first_row + len(base), None]
        values = singles(base, self.element)
        scaled = np.empty(values.shape, _SINGLE)
        with np.errstate(all="ignore"):
            np.multiply(values, factors, out=scaled, dtype=np.float64, casting="unsafe")  # rounded once, from doubles
            return _predicted(scaled, base, self.element)

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(self.kind)
        if self.kind is Kind.SCALED:
            writer.raw(self.factors.tobytes())
        else:
            write_planes(writer, self.factors.view(_BITS))


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The base plus `left` @ `right`, both float32: a merged LoRA adapter."""

    name: ClassVar[str] = "low rank"

    element: Element
    left: Array
    right: Array

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        left = self.left[first_row : first_row + len(base)].astype(np.float64)
        with np.errstate(all="ignore"):
            total = singles(base, self.element).astype(np.float64)
            for place, row in enumerate(self.right):
                total += left[:, place, None] * row.astype(np.float64)  # the product of two singles is exact
            return _predicted(total.astype(_SINGLE), base, self.element)

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(Kind.LOW_RANK)
        writer.varint(len(self.right))
        for part in (self.left, self.right):
            write_planes(writer, np.ascontiguousarray(part).reshape(-1).view(_BITS))


def read_prediction(reader: Reader, element: Element, shape: tuple[int, int]) -> Prediction:
    """What `Prediction.write` wrote, for a tensor of that many rows and columns."""
    kind = Kind(reader.at_most(max(Kind), "prediction"))
    if kind is Kind.SAME:
        return Same()
    require(element in ELEMENTS[kind], "this element type is never predicted so")
    if kind is Kind.LOW_RANK:
        return _read_low_rank(reader, element, *shape)
    factors: Array = _read_factors(reader, kind, shape)
    require(bool(np.isfinite(factors).all()), "a factor is not finite")
    return Scaled(element, kind, factors)


def _read_factors(reader: Reader, kind: Kind, shape: tuple[int, int]) -> Array:
    if kind is Kind.SCALED:
        return np.frombuffer(reader.take(_DOUBLE.itemsize), _DOUBLE)
    count = shape[0] if kind is Kind.ROWS_SCALED else shape[1]
    require(count <= MAX_FACTORS, "there are too many factors")
    return read_planes(reader, count, _BITS).view(_SINGLE)


def _read_low_rank(reader: Reader, element: Element, rows: int, columns: int) -> LowRank:
    limit = min(rows * columns, MAX_FACTORS) // (rows + columns)
    rank = reader.at_most(min(limit, MAX_RANK), "rank")
    left = read_planes(reader, rows * rank, _BITS).view(_SINGLE).reshape(rows, rank)
    right = read_planes(reader, rank * columns, _BITS).view(_SINGLE).reshape(rank, columns)
    return LowRank(element, left, right)


def _predicted(values: Array, base: Array, element: Element) -> Array:
    """Machines differ in the bits of a NaN, so none is predicted."""
    bits = rounded(values, element)
    has_nan = values.size > 0 and np.isnan(values.min())
    return np.where(np.isnan(values), base, bits) if has_nan else bits
