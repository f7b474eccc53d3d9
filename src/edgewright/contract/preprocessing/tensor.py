"""A tensor's type and shape on its way through the steps, and what every step has in common."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from edgewright.contract.dtype import Dtype
from edgewright.contract.errors import InvalidInput

MAX_ROW_ELEMENTS = 2**25
"""Of all tensors together that steps have made, in one row: 128 MiB of float32."""
MAX_SIDE = 2**16
MAX_AXES = 32

TensorName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
MaybeName = Annotated[str, msgspec.Meta(max_length=200)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
MaybeSide = Annotated[int, msgspec.Meta(ge=0, le=MAX_SIDE)]
Axis = Annotated[int, msgspec.Meta(ge=-32, le=31)]


class Tensor(NamedTuple):
    """A tensor between two steps. Its first axis counts the rows; None stands for a free length."""

    dtype: Dtype
    shape: tuple[int | None, ...]


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """A step reads the tensor `input` and writes `output` ("": under the same name)."""

    input: TensorName
    output: MaybeName = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it writes, in the order of `results`."""
        return (self.output or self.input,)

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """What it makes of `given`; raises InvalidInput, whose field is the step's own, where it cannot."""
        raise NotImplementedError

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the package's files that it needs."""
        return ()


class Layout(StrEnum):
    """What the axes of an image mean, after the one of rows: height, width, channels."""

    HW = "hw"
    HWC = "hwc"
    CHW = "chw"

    def sides(self, given: Tensor) -> tuple[int, int]:
        """The axes of height and width; raises InvalidInput where the tensor has not that many axes."""
        if len(given.shape) != len(self) + 1:
            raise unfit("layout", f"'{self}' has {len(self)} axes after the rows, the tensor has {given.shape[1:]}")
        return self.index("h") + 1, self.index("w") + 1


def unfit(field: str, why: str) -> InvalidInput:
    """The error of a step that cannot do what it is told; `field` is the step's."""
    return InvalidInput(why, field=field)


def require_dtype(given: Tensor, allowed: Iterable[Dtype]) -> None:
    """Raise InvalidInput for a tensor of another element type."""
    known = tuple(allowed)
    if given.dtype not in known:
        hint = "" if given.dtype is Dtype.STRING else "; put a cast before it"
        raise unfit("input", f"it takes {', '.join(known)}, the tensor is {given.dtype}{hint}")


def check_fill(given: Tensor, fill: float) -> None:
    """Raise InvalidInput for a value that the tensor's element type does not have."""
    lowest, highest = _RANGES.get(given.dtype, (-3e38, 3e38))
    is_whole = given.dtype in _FLOATS or float(fill).is_integer()
    if not (is_whole and lowest <= fill <= highest):
        raise unfit("fill", f"{fill} is no {given.dtype}")


_FLOATS = (Dtype.FLOAT16, Dtype.FLOAT32, Dtype.FLOAT64)
_RANGES: dict[Dtype, tuple[float, float]] = {
    Dtype.FLOAT16: (-65504.0, 65504.0),
    Dtype.INT64: (-(2.0**63), 2.0**62),
    Dtype.INT32: (-(2.0**31), 2.0**31 - 1),
    Dtype.INT8: (-128.0, 127.0),
    Dtype.UINT8: (0.0, 255.0),
    Dtype.BOOL: (0.0, 1.0),
}


def with_sizes(given: Tensor, sizes: dict[int, int | None]) -> Tensor:
    """The tensor with other lengths of some axes."""
    return Tensor(given.dtype, tuple(sizes.get(axis, size) for axis, size in enumerate(given.shape)))


def row_elements(given: Tensor) -> int:
    """The least number of elements in a row: free axes count as one."""
    return math.prod(size for size in given.shape[1:] if size is not None)


def check_axis(given: Tensor, axis: int) -> int:
    """`axis` from the front; raises InvalidInput for the axis of rows, and where there is none."""
    place = axis + len(given.shape) if axis < 0 else axis
    if not 1 <= place < len(given.shape):
        raise unfit("axis", f"axis {axis} is the rows, or is not there: the tensor has {len(given.shape)} axes")
    return place
