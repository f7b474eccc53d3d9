"""Steps for images: resize and crop."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.tensor import (
    MAX_SIDE,
    Declared,
    Layout,
    MaybeSide,
    Side,
    Tensor,
    check_fill,
    require_dtype,
    unfit,
    with_sizes,
)

Place = Annotated[int, msgspec.Meta(ge=-MAX_SIDE, le=MAX_SIDE)]


class Method(StrEnum):
    """How a resized pixel comes from those that were there."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"  # two pixels a side, half-pixel centres
    BILINEAR_ANTIALIAS = "bilinear-antialias"  # as before, the triangle widened where it shrinks


class Resize(Declared, frozen=True, kw_only=True, tag="resize"):
    """To `height` x `width`, or so that the shorter side has `shorter` pixels and the other keeps the proportion."""

    layout: Layout = Layout.HWC
    height: MaybeSide = 0
    width: MaybeSide = 0
    shorter: MaybeSide = 0
    method: Method

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """uint8 and float32 stay what they are."""
        require_dtype(given, (Dtype.UINT8, Dtype.FLOAT32))
        row, column = self.layout.sides(given)
        if bool(self.shorter) == bool(self.height or self.width) or bool(self.height) != bool(self.width):
            raise unfit("height", "say height and width, or shorter alone")
        height, width = self.sizes(given.shape[row], given.shape[column])
        return (with_sizes(given, {row: height, column: width}),)

    def sizes(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        """The new height and width of an image of that size."""
        if not self.shorter:
            return self.height, self.width
        if height is None or width is None:
            return None, None
        if height <= width:
            return self.shorter, int(self.shorter * width / height)
        return int(self.shorter * height / width), self.shorter


class Crop(Declared, frozen=True, kw_only=True, tag="crop"):
    """`height` x `width` pixels from `top` and `left` on, or in the middle; what lies outside the image is `fill`."""

    layout: Layout = Layout.HWC
    height: Side
    width: Side
    top: Place | None = None
    left: Place | None = None
    fill: float = 0.0

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """Every element type but text stays what it is."""
        require_dtype(given, (dtype for dtype in Dtype if dtype is not Dtype.STRING))
        check_fill(given, self.fill)
        row, column = self.layout.sides(given)
        return (with_sizes(given, {row: self.height, column: self.width}),)


def start(size: int, wanted: int, told: int | None) -> int:
    """Where a crop of `wanted` begins in `size`: where it is told, or so that it lies in the middle.

    A half is rounded to the even number, as torchvision's CenterCrop does; below 0, the image is the smaller one.
    """
    if told is not None:
        return told
    return round((size - wanted) / 2) if size >= wanted else -((wanted - size) // 2)
