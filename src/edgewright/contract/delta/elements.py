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


def exponents(bits: Array, element: Element) -> Array:
    """The biased exponent of each float (denormals count as 1), as int16."""
    mask = (1 << element.exponent_bits) - 1
    exponent: Array = np.maximum((bits >> element.mantissa_bits) & mask, 1)
    return exponent.astype(np.int16)
