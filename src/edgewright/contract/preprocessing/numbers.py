"""Steps for numbers: cast with a factor and an offset, and normalise."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.tensor import Axis, Declared, Tensor, check_axis, require_dtype, unfit

MAX_CHANNELS = 2**16
NUMBERS = tuple(dtype for dtype in Dtype if dtype is not Dtype.STRING)
Channels = Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=MAX_CHANNELS)]


class Cast(Declared, frozen=True, kw_only=True, tag="cast"):
    """x · factor + offset, in another element type: whole numbers are rounded, halves to even, and clipped."""

    dtype: Dtype
    factor: float = 1.0
    offset: float = 0.0

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same shape, in `dtype`."""
        require_dtype(given, NUMBERS)
        if self.dtype is Dtype.STRING:
            raise unfit("dtype", "numbers do not become text")
        for field in ("factor", "offset"):
            if not math.isfinite(getattr(self, field)):
                raise unfit(field, "it must be finite")
        return (Tensor(self.dtype, given.shape),)


class Normalise(Declared, frozen=True, kw_only=True, tag="normalise"):
    """(x − mean) / std: one of each for every place on `axis` (channels, columns), or one for all."""

    mean: Channels
    std: Channels
    axis: Axis = -1

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """float64 (and whole numbers of 32 or 64 bits) become float64; all else float32."""
        require_dtype(given, NUMBERS)
        size = given.shape[check_axis(given, self.axis)]
        for field, values in (("mean", self.mean), ("std", self.std)):
            if not all(map(math.isfinite, values)):
                raise unfit(field, "it must be finite")
            if len(values) not in (1, size):
                length = "a free length" if size is None else str(size)
                raise unfit(field, f"it has {len(values)} values; axis {self.axis} has {length}")
        if 0.0 in self.std:
            raise unfit("std", f"its value {self.std.index(0.0)} is 0: nothing can be divided by it")
        return (Tensor(working(given.dtype), given.shape),)


def working(dtype: Dtype) -> Dtype:
    """In which element type numbers of `dtype` are computed with."""
    return Dtype.FLOAT64 if dtype in (Dtype.FLOAT64, Dtype.INT32, Dtype.INT64) else Dtype.FLOAT32
