"""What the maker expects a tensor to have become: the base itself, or the base times a constant."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.elements import FLOAT32, INT8, Array, Element
from edgewright.contract.delta.format import Reader, Writer, require

_BASE, _SCALED = 0, 1
_MIN_ELEMENTS = 1024
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True)
class Prediction:
    """`factor` is 1.0 where the base itself is the prediction; only float32 and int8 are ever scaled."""

    factor: float = 1.0

    def of(self, base: Array, element: Element) -> Array:
        """Predict bit patterns from the base's; one float32 product each, so every machine predicts the same."""
        if self.factor == 1.0:
            return base
        factor = np.float32(self.factor)
        if element == INT8:
            scaled: Array = np.clip(np.rint(base.astype(np.float32) * factor), -128, 127)
            return scaled.astype(np.int8)
        with np.errstate(all="ignore"):
            product = base.view("<f4") * factor
        return np.where(np.isnan(product), base, product.view(base.dtype))  # machines differ in the bits of a NaN

    def write(self, writer: Writer) -> None:
        """Its kind, then its factor."""
        writer.varint(_BASE if self.factor == 1.0 else _SCALED)
        if self.factor != 1.0:
            writer.raw(struct.pack("<f", self.factor))


def read_prediction(reader: Reader, element: Element) -> Prediction:
    """What `Prediction.write` wrote."""
    if reader.at_most(_SCALED, "prediction") == _BASE:
        return Prediction()
    require(element in (FLOAT32, INT8), "this element type is never scaled")
    (factor,) = struct.unpack("<f", reader.take(4))
    require(bool(np.isfinite(factor)), "the factor is not finite")
    return Prediction(factor)


def best_prediction(base: Array, new: Array, element: Element) -> Prediction:
    """The constant that leaves the smallest residuals, if any is better than none."""
    if element not in (FLOAT32, INT8) or base.size < _MIN_ELEMENTS:
        return Prediction()
    step = max(1, base.size // _SAMPLE)
    base, new = base.reshape(-1)[::step], new.reshape(-1)[::step]
    factor = _factor(base, new, element)
    if factor is None:
        return Prediction()
    scaled = Prediction(factor)
    plain_bits, scaled_bits = _bits(base, new), _bits(scaled.of(base, element), new)
    return scaled if scaled_bits < plain_bits - 0.02 else Prediction()


def _factor(base: Array, new: Array, element: Element) -> float | None:
    kind = "<f4" if element == FLOAT32 else "<i1"
    with np.errstate(all="ignore"):
        before, after = base.view(kind).astype(np.float64), new.view(kind).astype(np.float64)
        usable = np.isfinite(before) & np.isfinite(after) & (before != 0) & (np.abs(before) < 126)
        if not usable.any():
            return None
        if element == INT8:
            factor = float(np.float32((before * after)[usable].sum() / (before * before)[usable].sum()))
        else:
            factor = float(np.float32(np.median(after[usable] / before[usable])))
    return factor if np.isfinite(factor) and factor != 1.0 else None


def _bits(predicted: Array, new: Array) -> float:
    with np.errstate(all="ignore"):
        apart = np.abs(new.astype(np.float64) - predicted.astype(np.float64))
    return float(np.log2(apart + 1).mean())
