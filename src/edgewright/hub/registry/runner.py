"""Runs a model on rows as apps pass them: prepared by the contract's steps, as many at once as the model takes.

For children alone: it loads a model file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from edgewright.contract.preprocessing.running import MAX_TABLE_BYTES, Preparation
from edgewright.contract.tensors import Contract

ROWS_AT_ONCE = 256
_ERRORS_ONLY = 3

Arrays = dict[str, npt.NDArray[Any]]


class Preparing:
    """The steps of a contract, with its tables: what apps pass in, what the model takes out."""

    def __init__(self, contract: Contract, tables: Mapping[str, str]) -> None:
        self._prepare = (
            Preparation(contract.raw(), contract.preprocessing, lambda name: _read(Path(tables[name])))
            if contract.preprocessing
            else None
        )

    def __call__(self, inputs: Arrays) -> Arrays:
        """All tensors after the last step; the same ones where there is no step."""
        return inputs if self._prepare is None else self._prepare(inputs)


class Runner:
    """A loaded model with its contract, on one thread. `tables` are the paths of the files that steps need."""

    def __init__(self, model: str, contract: Contract, tables: Mapping[str, str]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._prepare = Preparing(contract, tables)
        self._takes = [value.name for value in self._session.get_inputs()]
        self._gives = [spec.name for spec in contract.outputs]
        self.fixed_rows = next((axis for axis in self._first_axes() if isinstance(axis, int)), 0)
        """How many rows each call must have; 0 if any number."""

    def run(self, inputs: Arrays) -> Arrays:
        """One call: the contract's outputs by name."""
        made = self._prepare(inputs)
        answers = self._session.run(self._gives, {name: made[name] for name in self._takes})
        return dict(zip(self._gives, answers, strict=True))

    def answer(self, inputs: Arrays) -> Arrays:
        """All rows, some at a time."""
        rows_at_once = self.fixed_rows or ROWS_AT_ONCE
        rows = len(next(iter(inputs.values())))
        parts = [
            self.run({name: array[at : at + rows_at_once] for name, array in inputs.items()})
            for at in range(0, rows, rows_at_once)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._gives}

    def _first_axes(self) -> list[object]:
        return [value.shape[0] for value in self._session.get_inputs() if value.shape]


def inputs_of(arrays: Mapping[str, npt.NDArray[Any]], contract: Contract, max_rows: int | None = None) -> Arrays:
    """The contract's inputs among the arrays of an npz, in its element types."""
    return {spec.name: arrays[spec.name][:max_rows].astype(spec.dtype.value) for spec in contract.inputs}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_TABLE_BYTES + 1)
