"""Cast and normalise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.numbers import Cast, Normalise, working

Array = npt.NDArray[Any]


def cast(step: Cast) -> Callable[[Array], Array]:
    """As declared; what is not a number becomes the whole number 0."""
    wanted = np.dtype(step.dtype.value)
    is_plain = step.factor == 1.0 and step.offset == 0.0

    def act(array: Array) -> Array:
        values = array if is_plain else _scaled(array, step.factor, step.offset)
        if wanted.kind in "iu":
            values = _whole(values, wanted)
        with np.errstate(all="ignore"):
            return values.astype(wanted, copy=False)

    return act


def normalise(step: Normalise) -> Callable[[Array], Array]:
    """Subtracted, then divided, in the element type of the result."""
    constants: dict[tuple[str, int], tuple[Array, Array]] = {}

    def of(dtype: np.dtype[Any], ndim: int) -> tuple[Array, Array]:
        shape = [1] * ndim
        shape[step.axis] = -1
        found = (np.array(values, dtype).reshape(shape if len(values) > 1 else -1) for values in (step.mean, step.std))
        return next(found), next(found)

    def act(array: Array) -> Array:
        dtype = np.dtype(working(Dtype(array.dtype.name)).value)
        key = (dtype.name, array.ndim)
        with np.errstate(all="ignore"):
            if key not in constants:
                constants[key] = of(dtype, array.ndim)
            mean, std = constants[key]
            result: Array = np.subtract(array, mean, dtype=dtype)
            result /= std
        return result

    return act


def _scaled(array: Array, factor: float, offset: float) -> Array:
    values: Array = array.astype(working(Dtype(array.dtype.name)).value)
    with np.errstate(all="ignore"):
        values *= values.dtype.type(factor)
        values += values.dtype.type(offset)
    return values


def _whole(values: Array, wanted: np.dtype[Any]) -> Array:
    """Rounded and clipped to what `wanted` holds."""
    if values.dtype.kind == "b" or values.dtype == wanted:
        return values
    limits = np.iinfo(wanted)
    if values.dtype.kind != "f":
        own = np.iinfo(values.dtype)
        return values.clip(max(limits.min, own.min), min(limits.max, own.max))
    rounded: Array = np.rint(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    return rounded.clip(float(limits.min), np.nextafter(float(limits.max) + 1.0, 0.0)).clip(limits.min)
