"""Crop, pad, transpose and reshape: elements change their places, not their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.axes import Pad, Reshape, Transpose
from edgewright.contract.preprocessing.picture import Crop, start
from edgewright.contract.preprocessing.tensor import Tensor

Array = npt.NDArray[Any]


def crop(step: Crop) -> Callable[[Array], Array]:
    """A view where the crop lies inside the image."""

    def act(array: Array) -> Array:
        row, column = step.layout.sides(Tensor(Dtype.FLOAT32, array.shape))
        shape, here, there = list(array.shape), [slice(None)] * array.ndim, [slice(None)] * array.ndim
        for axis, wanted, told in ((row, step.height, step.top), (column, step.width, step.left)):
            size, shape[axis] = array.shape[axis], wanted
            begin = start(size, wanted, told)
            first, last = min(max(begin, 0), size), min(max(begin + wanted, 0), size)
            here[axis], there[axis] = slice(first, last), slice(first - begin, last - begin)
        inside: Array = array[tuple(here)]
        if list(inside.shape) == shape:
            return inside
        result = np.full(shape, step.fill, array.dtype)
        result[tuple(there)] = inside
        return result

    return act


def pad(step: Pad) -> Callable[[Array], Array]:
    """Filled up on every side."""

    def act(array: Array) -> Array:
        sizes = zip(array.shape, step.before, step.after, strict=True)
        result = np.full([size + before + after for size, before, after in sizes], step.fill, array.dtype)
        result[tuple(slice(b, b + size) for b, size in zip(step.before, array.shape, strict=True))] = array
        return result

    return act


def transpose(step: Transpose) -> Callable[[Array], Array]:
    """A view."""
    return lambda array: array.transpose(step.axes)


def reshape(step: Reshape) -> Callable[[Array], Array]:
    """A view where the memory allows it."""
    return lambda array: array.reshape(array.shape[0], *step.shape)
