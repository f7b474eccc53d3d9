"""What the tests of steps share: one step or a chain done on an array, as the device and the hub do it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.contract.preprocessing import Step, Tensor
from edgewright.contract.preprocessing.running import Preparation
from edgewright.contract.tensors import Dtype


def tensor_of(array: np.ndarray, *free: int) -> Tensor:
    """The declared tensor of an array: its first axis, and the axes `free`, have no fixed length."""
    shape = tuple(None if axis == 0 or axis in free else size for axis, size in enumerate(array.shape))
    return Tensor(Dtype.STRING if array.dtype.kind in "OU" else Dtype(array.dtype.name), shape)


def done(array: np.ndarray, *steps: Step, free: tuple[int, ...] = (), files: dict[str, bytes] | None = None) -> Any:
    """The array 'x' after the steps, held to what was inferred of it beforehand; all tensors where it is not alone."""
    prepare = Preparation({"x": tensor_of(array, *free)}, steps, (files or {}).__getitem__)
    found = prepare({"x": array})
    for name, inferred in prepare.results.items():
        if inferred.dtype is not Dtype.STRING:
            assert found[name].dtype.name == inferred.dtype.value
            assert found[name].flags.c_contiguous
        assert len(found[name].shape) == len(inferred.shape)
        assert all(want in (None, got) for want, got in zip(inferred.shape, found[name].shape, strict=True))
    return found["x"] if set(found) == {"x"} else found
