"""Element types of tensors, seen as integers whose order is the order of the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Element:
    """How one value is laid out; `mantissa_bits` and `exponent_bits` are 0 for integers."""

    name: str
    code: int
    size_bytes: int
    mantissa_bits: int = 0
    exponent_bits: int = 0

    @property
    def is_float(self) -> bool:
        """Whether the bits are sign, exponent and mantissa."""
        return self.exponent_bits > 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The little-endian signed integer of the same width."""
        return np.dtype(f"<i{self.size_bytes}")

    @property
    def unsigned(self) -> np.dtype[Any]:
        """The little-endian unsigned integer of the same width."""
        return np.dtype(f"<u{self.size_bytes}")

    @property
    def exponent_origin(self) -> int:
        """Half-bit level of context 0 where no row or column level says otherwise: values near 2 to the 28th."""
        if self.exponent_bits == 5:
            return 62
        return 2 * ((1 << (self.exponent_bits - 1)) + 27) if self.is_float else 0


INT8 = Element("int8", 0, 1)
INT16 = Element("int16", 1, 2)
INT32 = Element("int32", 2, 4)
INT64 = Element("int64", 3, 8)
FLOAT16 = Element("float16", 4, 2, 10, 5)
BFLOAT16 = Element("bfloat16", 5, 2, 7, 8)
FLOAT32 = Element("float32", 6, 4, 23, 8)
FLOAT64 = Element("float64", 7, 8, 52, 11)

BY_CODE = (INT8, INT16, INT32, INT64, FLOAT16, BFLOAT16, FLOAT32, FLOAT64)


def monotone(bits: Array, element: Element) -> Array:
    """Map float bit patterns to integers in the order of their values, and back: it is its own inverse."""
    if not element.is_float:
        return bits
    width = element.size_bytes * 8
    magnitude = element.dtype.type((1 << (width - 1)) - 1)
    flipped: Array = bits ^ ((bits >> (width - 1)) & magnitude)
    return flipped


def singles(bits: Array, element: Element) -> Array:
    """The values of floats of at most 32 bits as float32, or of int8 elements; exact."""
    if element == INT8:
        return bits.astype(np.float32)
    if element == FLOAT16:
        return bits.view("<f2").astype(np.float32)
    if element == BFLOAT16:
        widened: Array = bits.astype("<i4") << 16
        bits = widened
    values: Array = bits.view("<f4")
    return values


def rounded(values: Array, element: Element) -> Array:
    """The bit patterns nearest to float32 values, ties to even; int8 ones are clipped. NaNs give anything."""
    if element == INT8:
        clipped: Array = np.clip(np.rint(values), -128, 127)
        return clipped.astype(np.int8)
    if element == FLOAT16:
        half: Array = values.astype("<f2").view(element.dtype)
        return half
    bits: Array = np.ascontiguousarray(values).view("<i4")
    if element == BFLOAT16:
        bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(element.dtype)
    return bits


def exponents(bits: Array, element: Element) -> Array:
    """The biased exponent of each float (denormals count as 1), as int16."""
    mask = (1 << element.exponent_bits) - 1
    exponent: Array = np.maximum((bits >> element.mantissa_bits) & mask, 1)
    return exponent.astype(np.int16)
