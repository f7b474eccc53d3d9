"""Steps for axes: transpose, reshape, pad."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.numbers import NUMBERS
from edgewright.contract.preprocessing.tensor import (
    MAX_AXES,
    Axis,
    Declared,
    MaybeSide,
    Tensor,
    check_fill,
    require_dtype,
    row_elements,
    unfit,
    with_sizes,
)

Length = Annotated[int, msgspec.Meta(ge=1, le=2**26)]


class Transpose(Declared, frozen=True, kw_only=True, tag="transpose"):
    """The axes in another order, as numpy.transpose takes it: [0, 3, 1, 2] puts channels before height and width."""

    axes: Annotated[tuple[Axis, ...], msgspec.Meta(min_length=1, max_length=MAX_AXES)]

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same element type; the rows stay the first axis."""
        require_dtype(given, NUMBERS)
        if sorted(self.axes) != list(range(len(given.shape))):
            raise unfit("axes", f"it must hold each of 0 to {len(given.shape) - 1} once")
        if self.axes[0] != 0:
            raise unfit("axes", "the rows, axis 0, must stay the first")
        return (Tensor(given.dtype, tuple(given.shape[axis] for axis in self.axes)),)


class Reshape(Declared, frozen=True, kw_only=True, tag="reshape"):
    """Each row's elements in the same order in another shape (the rows are left out of it)."""

    shape: Annotated[tuple[Length, ...], msgspec.Meta(max_length=MAX_AXES - 1)]

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same element type, and as many elements in a row."""
        if None in given.shape[1:]:
            raise unfit("input", f"the rows of the tensor have no fixed size: {list(given.shape)}")
        if row_elements(given) != math.prod(self.shape):
            raise unfit("shape", f"it has {math.prod(self.shape)} elements in a row, the tensor {row_elements(given)}")
        return (Tensor(given.dtype, (given.shape[0], *self.shape)),)


class Pad(Declared, frozen=True, kw_only=True, tag="pad"):
    """`before` and `after` each axis, as many elements of the value `fill`; the first of each is for the rows: 0."""

    before: Annotated[tuple[MaybeSide, ...], msgspec.Meta(max_length=MAX_AXES)]
    after: Annotated[tuple[MaybeSide, ...], msgspec.Meta(max_length=MAX_AXES)]
    fill: float = 0.0

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same element type."""
        require_dtype(given, (dtype for dtype in Dtype if dtype is not Dtype.STRING))
        check_fill(given, self.fill)
        for field, amounts in (("before", self.before), ("after", self.after)):
            if len(amounts) != len(given.shape):
                raise unfit(field, f"it has {len(amounts)} values, the tensor {len(given.shape)} axes")
            if amounts[0] != 0:
                raise unfit(field, "no rows can be added")
        grown = {
            axis: None if size is None else size + before + after
            for axis, (size, before, after) in enumerate(zip(given.shape, self.before, self.after, strict=True))
        }
        return (with_sizes(given, grown),)
