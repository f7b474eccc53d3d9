"""Runs a model on rows as apps pass them: prepared by the contract's steps, as many at once as the model takes.

For children alone: it loads a model file. The hub knows no runtime but by the plug-ins that devices serve with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgewright import plugins
from edgewright.contract.preprocessing.running import MAX_TABLE_BYTES, Preparation
from edgewright.contract.runtimes import GROUP, Runtime
from edgewright.contract.sources import HEAD_BYTES, is_tflite
from edgewright.contract.tensors import Contract

ROWS_AT_ONCE = 256

ONNX_RUNTIME = ("onnxruntime", "CPUExecutionProvider")
LITERT = ("litert", "XNNPACK")

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

    def __init__(
        self, model: str, contract: Contract, tables: Mapping[str, str], *, runtime: str = "", provider: str = ""
    ) -> None:
        """Load it by the runtime of that name; without one, by what this format is at home in on a processor.

        Raises NotFound where the runtime is missing, and ModelUnreadable.
        """
        name, its_provider = (runtime, provider) if runtime else at_home_in(Path(model))
        self._session = start(name).load(Path(model), its_provider)
        self._prepare = Preparing(contract, tables)
        self._gives = [spec.name for spec in contract.outputs]
        self.fixed_rows = self._session.fixed_rows
        """How many rows each call must have; 0 if any number."""

    def run(self, inputs: Arrays) -> Arrays:
        """One call: the contract's outputs by name."""
        made = self._prepare(inputs)
        answers = self._session.run({name: made[name] for name in self._session.input_names})
        return {name: answers[name] for name in self._gives}

    def answer(self, inputs: Arrays) -> Arrays:
        """All rows, some at a time. Where a call must have so many, the last one is filled up with the first rows."""
        at_once = self.fixed_rows or ROWS_AT_ONCE
        rows = len(next(iter(inputs.values())))
        parts = [
            self.run(_picked(inputs, at, self.fixed_rows or min(at_once, rows - at))) for at in range(0, rows, at_once)
        ]
        return {name: np.concatenate([part[name] for part in parts])[:rows] for name in self._gives}


def at_home_in(model: Path) -> tuple[str, str]:
    """The runtime and its provider that run a file of this format on a processor."""
    with model.open("rb") as file:
        return LITERT if is_tflite(file.read(HEAD_BYTES)) else ONNX_RUNTIME


def start(runtime: str) -> Runtime:
    """The runtime of that name. Raises NotFound for no such plug-in, ImportError where its module is missing."""
    return cast(Runtime, plugins.load(GROUP, runtime)())


def inputs_of(arrays: Mapping[str, npt.NDArray[Any]], contract: Contract, max_rows: int | None = None) -> Arrays:
    """The contract's inputs among the arrays of an npz, in its element types."""
    return {spec.name: arrays[spec.name][:max_rows].astype(spec.dtype.value) for spec in contract.inputs}


def _picked(inputs: Arrays, at: int, count: int) -> Arrays:
    return {name: array.take(range(at, at + count), axis=0, mode="wrap") for name, array in inputs.items()}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_TABLE_BYTES + 1)
