"""Whether the rows of a dataset fit a model's contract."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import TensorSpec

HINT = "Name the dataset's arrays after the model's inputs, one row to an example, or choose another snapshot."


def check_rows(arrays: Mapping[str, np.ndarray], inputs: tuple[TensorSpec, ...], name: str) -> None:
    """Raise InvalidInput where the arrays of file `name` do not fit the contract's inputs."""
    for spec in inputs:
        field = f"{name}.{spec.name}"
        if spec.name not in arrays:
            have = ", ".join(sorted(arrays)) or "none"
            message = f"{name} has no array '{spec.name}', an input of the model; it has {have}"
            raise InvalidInput(message, field=field, hint=HINT)
        shape = arrays[spec.name].shape
        if not _fits(shape, spec.shape):
            message = f"{field} has shape {list(shape)}, the contract says {list(spec.shape)}"
            raise InvalidInput(message, field=field, hint=HINT)
        if not len(arrays[spec.name]):
            raise InvalidInput(f"{field} has no rows", field=field, hint=HINT)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """The first axis counts rows, however many the model takes at once."""
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape[1:], wanted[1:], strict=True))
