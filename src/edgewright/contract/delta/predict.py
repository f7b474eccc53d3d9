"""What a tensor is expected to have become: the base itself, a multiple of it, or the base plus a low-rank update."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgewright.contract.delta.elements import FLOAT32, INT8, Array, Element
from edgewright.contract.delta.format import Reader, Writer, require
from edgewright.contract.delta.symbols import read_planes, write_planes

MAX_FACTOR_ELEMENTS = 1 << 22

_SAME, _SCALED, _LOW_RANK = 0, 1, 2
_BITS = np.dtype("<i4")
_SINGLE = np.dtype("<f4")


class Prediction(Protocol):
    """Every machine predicts the same bits: single operations of IEEE arithmetic, in a fixed order."""

    def of(self, base: Array, first_row: int) -> Array:
        """Predict the bit patterns of some rows from the base's; `first_row` is the first one's number."""

    def write(self, writer: Writer) -> None:
        """Its kind, then its parameters."""


@dataclass(frozen=True, slots=True)
class Same:
    """The base itself."""

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        return base

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(_SAME)


@dataclass(frozen=True, slots=True)
class Scaled:
    """The base times a float32 factor: weight decay, or int8 weights whose scale has drifted."""

    factor: float

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        factor = np.float32(self.factor)
        if base.dtype == INT8.dtype:
            scaled: Array = np.clip(np.rint(base.astype(np.float32) * factor), -128, 127)
            return scaled.astype(np.int8)
        with np.errstate(all="ignore"):
            return _unless_nan(base.view(_SINGLE) * factor, base)

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(_SCALED)
        writer.raw(struct.pack("<f", self.factor))


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The base plus `left` @ `right`, both float32: a merged LoRA adapter."""

    left: Array
    right: Array

    def of(self, base: Array, first_row: int) -> Array:
        """See Prediction."""
        left = self.left[first_row : first_row + len(base)].astype(np.float64)
        with np.errstate(all="ignore"):
            total = base.view(_SINGLE).astype(np.float64)
            for place, row in enumerate(self.right.astype(np.float64)):
                total += left[:, place, None] * row  # the product of two singles is exact in a double
            return _unless_nan(total.astype(_SINGLE), base)

    def write(self, writer: Writer) -> None:
        """See Prediction."""
        writer.varint(_LOW_RANK)
        writer.varint(len(self.right))
        for part in (self.left, self.right):
            write_planes(writer, np.ascontiguousarray(part).reshape(-1).view(_BITS))


def read_prediction(reader: Reader, element: Element, shape: tuple[int, ...]) -> Prediction:
    """What `Prediction.write` wrote, for a tensor of that many rows and columns."""
    kind = reader.at_most(_LOW_RANK, "prediction")
    if kind == _SAME:
        return Same()
    require(element == FLOAT32 or (element == INT8 and kind == _SCALED), "this element type is never predicted so")
    if kind == _LOW_RANK:
        return _read_low_rank(reader, *shape)
    (factor,) = struct.unpack("<f", reader.take(4))
    require(bool(np.isfinite(factor)), "the factor is not finite")
    return Scaled(factor)


def _read_low_rank(reader: Reader, rows: int, columns: int) -> LowRank:
    limit = min(rows * columns, MAX_FACTOR_ELEMENTS) // (rows + columns)
    rank = reader.at_most(limit, "rank")
    left = read_planes(reader, rows * rank, _BITS).view(_SINGLE).reshape(rows, rank)
    right = read_planes(reader, rank * columns, _BITS).view(_SINGLE).reshape(rank, columns)
    return LowRank(left, right)


def _unless_nan(predicted: Array, base: Array) -> Array:
    """Machines differ in the bits of a NaN, so none is predicted."""
    bits: Array = np.where(np.isnan(predicted), base, predicted.view(base.dtype))
    return bits
