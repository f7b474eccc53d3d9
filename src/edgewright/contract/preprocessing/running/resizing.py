"""Resize: each side by itself, as weighted sums of pixels, the side first that leaves less to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.picture import Method, Resize
from edgewright.contract.preprocessing.tensor import Tensor

Array = npt.NDArray[Any]
_CACHED = 32


def resize(step: Resize) -> Callable[[Array], Array]:
    """uint8 is rounded once, at the end, halves to even; float32 is summed in float32."""

    def act(array: Array) -> Array:
        row, column = step.layout.sides(Tensor(Dtype.FLOAT32, array.shape))
        height, width = step.sizes(array.shape[row], array.shape[column])
        sides = [(row, int(height or 0)), (column, int(width or 0))]
        sides.sort(key=lambda side: side[1] / array.shape[side[0]])
        result = array
        for axis, size in sides:
            result = _along(result, axis, size, step.method)
        return _like(array, result)

    return act


def _along(array: Array, axis: int, size: int, method: Method) -> Array:
    """One side resized; float32, but nearest pixels, which stay what they are."""
    if array.shape[axis] == size:
        return array
    if method is Method.NEAREST:
        return array.take(nearest(array.shape[axis], size), axis=axis)
    places, weights = taps(array.shape[axis], size, method is Method.BILINEAR_ANTIALIAS)
    shape = [1] * array.ndim
    shape[axis] = size
    result: Array = array.take(places[0], axis=axis) * weights[0].reshape(shape)
    for place, weight in zip(places[1:], weights[1:], strict=True):
        result += array.take(place, axis=axis) * weight.reshape(shape)
    return result


def _like(array: Array, result: Array) -> Array:
    if result.dtype == array.dtype:
        return result
    return np.clip(np.rint(result), 0, 255).astype(array.dtype)


@functools.lru_cache(_CACHED)
def nearest(before: int, after: int) -> Array:
    """The pixel in which the middle of each new pixel lies."""
    return np.minimum(((np.arange(after) + 0.5) * (before / after)).astype(np.int64), before - 1)


@functools.lru_cache(_CACHED)
def taps(before: int, after: int, is_antialiased: bool) -> tuple[Array, Array]:
    """(taps, after): which pixels each new pixel is summed from, and float32 weights that sum to one.

    Triangles of half-width max(1, before / after) (1 without antialias) about the new pixel's middle; what of one
    lies outside the image is given to its edge pixel without antialias, and to the others with it.
    """
    scale = before / after
    reach = max(1.0, scale) if is_antialiased else 1.0
    middle = (np.arange(after) + 0.5) * scale - 0.5
    first = np.floor(middle - reach).astype(np.int64) + 1
    places = first[None, :] + np.arange(int(np.ceil(2 * reach)))[:, None]
    weights = np.maximum(0.0, 1.0 - np.abs(places - middle) / reach)
    if is_antialiased:
        weights = np.where((places >= 0) & (places < before), weights, 0.0)
    weights /= weights.sum(axis=0)
    return np.clip(places, 0, before - 1), weights.astype(np.float32)
