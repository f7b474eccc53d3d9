"""Takes out of a sample, on the device, what its data policy says: the steps of `data_policy`, on numpy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.data_policy import (
    BY_REFERENCE,
    Area,
    Blank,
    Blur,
    Cover,
    Crop,
    DataPolicy,
    Downscale,
    Hash,
    Redaction,
    Round,
    columns_of,
    sides,
    subject_key,
)
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, TensorSpec

MAX_GROUP_CHARS = 80

Array = npt.NDArray[Any]


def redact(policy: DataPolicy, contract: Contract, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What may leave of one row's inputs, each with its batch axis of 1. Raises InvalidInput where a step does not fit.

    The arrays that are given stay as they are.
    """
    leaving = {spec.name for spec in policy.leaving(contract)}
    specs = {spec.name: spec for spec in contract.inputs}
    kept = {name: array.copy() for name, array in inputs.items() if name in leaving and name in specs}
    for step in policy.redaction:
        if step.input in kept:
            kept[step.input] = _done(step, specs[step.input], kept[step.input])
    return kept


def subject_of(policy: DataPolicy, inputs: Mapping[str, Array], reference: str) -> str:
    """The key of whom a row tells of, taken before anything is redacted; '' where nobody is named."""
    if policy.subject == BY_REFERENCE:
        name = reference.partition("/")[0]
    elif policy.subject in inputs and inputs[policy.subject].size:
        name = str(inputs[policy.subject].reshape(-1)[0])
    else:
        name = ""
    return subject_key(name) if name else ""


def groups_of(policy: DataPolicy, contract: Contract, inputs: Mapping[str, Array]) -> dict[str, str]:
    """The values by which the policy lets rows be compared."""
    found = {}
    for name in policy.groups:
        for spec in contract.inputs:
            row = inputs.get(spec.name)
            if row is None or row.size == 0:
                continue
            if spec.name == name:
                found[name] = _told(row.reshape(-1)[0])
            elif name in spec.names and row.size > spec.names.index(name):
                found[name] = _told(row.reshape(-1)[spec.names.index(name)])
    return found


def _done(step: Redaction, spec: TensorSpec, array: Array) -> Array:
    if isinstance(step, Blank | Hash | Round):
        places = list(columns_of(step, spec))
        key: Any = (..., places) if places else ...
        array[key] = _rewritten(step, array[key])
        return array
    return _redrawn(step, spec, array)


def _rewritten(step: Blank | Hash | Round, part: Array) -> Array:
    match step:
        case Blank():
            return np.full(part.shape, "" if part.dtype.kind in "OUS" else step.value, part.dtype)
        case Hash():
            return _hashed(part, step.salt)
        case Round():
            return (np.round(part.astype(np.float64) / step.to) * step.to).astype(part.dtype)


def _hashed(part: Array, salt: str) -> Array:
    is_text = part.dtype.kind in "OUS"
    digests = [hashlib.sha256(f"{salt}\0{value}".encode()).hexdigest() for value in part.reshape(-1).tolist()]
    values = [told[:16] if is_text else int(told[:8], 16) & 0x7FFF_FFFF for told in digests]
    hashed = np.empty(part.shape, object if is_text else part.dtype)
    hashed.reshape(-1)[:] = values
    return hashed


def _redrawn(step: Crop | Cover | Blur | Downscale, spec: TensorSpec, array: Array) -> Array:
    found = sides(array.shape[1:], spec)
    if found is None:
        raise InvalidInput(f"'{spec.name}' of shape {array.shape} is no image", field="redaction")
    picture = array.reshape(found)
    rows, columns = _within(step.area, picture)
    inside = picture[:, rows, columns]
    match step:
        case Crop():
            kept, picture = inside, np.full_like(picture, step.value)
            picture[:, rows, columns] = kept
        case Cover():
            picture[:, rows, columns] = step.value
        case Blur():
            picture[:, rows, columns] = _blurred(inside, step.radius).astype(picture.dtype)
        case Downscale():
            picture[:, rows, columns] = _coarse(inside, step.factor).astype(picture.dtype)
    return picture.reshape(array.shape)


def _within(area: Area | None, picture: Array) -> tuple[slice, slice]:
    """The part of the area that lies in the picture (planes, height, width, channels)."""
    if area is None:
        return slice(None), slice(None)
    return slice(area.top, area.top + area.height), slice(area.left, area.left + area.width)


def _blurred(picture: Array, radius: int) -> Array:
    """The mean of each square window, by running sums along both axes; beyond the edge, the edge goes on."""
    blurred = picture.astype(np.float64)
    for axis in (1, 2):
        if blurred.shape[axis] == 0:
            return blurred
        margins = [(0, 0)] * 4
        margins[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(blurred, margins, mode="edge"), axis=axis)
        length = picture.shape[axis]
        upper = np.take(sums, range(2 * radius + 1, 2 * radius + 1 + length), axis=axis)
        blurred = (upper - np.take(sums, range(length), axis=axis)) / (2 * radius + 1)
    return blurred


def _coarse(picture: Array, factor: int) -> Array:
    """Each block's mean in all of its pixels; blocks at the edge may be smaller."""
    coarse = picture.astype(np.float64)
    for axis in (1, 2):
        length = coarse.shape[axis]
        if length == 0:
            return coarse
        starts = np.arange(0, length, factor)
        widths = np.diff(np.append(starts, length))
        shape = [1] * 4
        shape[axis] = len(starts)
        means = np.add.reduceat(coarse, starts, axis=axis) / widths.reshape(shape)
        coarse = np.repeat(means, widths, axis=axis)
    return coarse


def _told(value: Any) -> str:
    """A group's name: 1.0 is '1'."""
    text = str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)
    return text[:MAX_GROUP_CHARS]
