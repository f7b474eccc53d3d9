"""The teacher: a version's source, whatever it is, answering any rows with a score for each class, or with values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.optimize.steps.training.torching.graph import Array

SURE = 6.0
"""The score of the class that a teacher names who names nothing else."""
LEAST = 1e-6
"""Probabilities below are told as this one: their logarithm would rule the lesson."""
AT_ONCE = 256


class Teacher:
    """Runs the source on prepared rows, on one thread."""

    def __init__(self, source: Path, contract: Contract) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        self._contract = contract
        first = self._session.get_inputs()[0].shape
        self._is_fixed = bool(first) and isinstance(first[0], int)
        self._at_once: int = first[0] if self._is_fixed else AT_ONCE

    def outputs(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """All its outputs by name, for all rows; where it takes a fixed number at once, for whole lots of them."""
        takes = [value.name for value in self._session.get_inputs()]
        names = [value.name for value in self._session.get_outputs()]
        count = len(inputs[takes[0]])
        parts = []
        for at in range(0, count, self._at_once):
            lot = {name: inputs[name][at : at + self._at_once] for name in takes}
            missing = self._at_once - len(lot[takes[0]]) if self._is_fixed else 0
            filled = {name: np.concatenate([array, array[:1].repeat(missing, 0)]) for name, array in lot.items()}
            parts.append(self._session.run(names, filled))
        return {name: np.concatenate([part[place] for part in parts])[:count] for place, name in enumerate(names)}

    def scores(self, inputs: dict[str, Array], classes: Array) -> Array:
        """Float32 scores (rows, len(classes)), of which softmax makes probabilities.

        Raises InvalidInput where the source gives neither a score for each class nor a class.
        """
        outputs = self.outputs(inputs)
        scored = self._named(Kind.SCORES, outputs) or _first(outputs, "f")
        if scored and outputs[scored].ndim == 2 and outputs[scored].shape[1] == len(classes):
            return _logarithms(outputs[scored].astype(np.float32))
        named = self._named(Kind.LABEL, outputs) or _first(outputs, "iuUO")
        if not named:
            given = ", ".join(outputs)
            raise InvalidInput(f"the source names no class and scores none (its outputs: {given})", field="model")
        sure: Array = SURE * (outputs[named].reshape(-1, 1) == classes[None]).astype(np.float32)
        return sure

    def values(self, inputs: dict[str, Array], name: str) -> Array:
        """Float32 values (rows, …) of the output `name`."""
        return self.outputs(inputs)[name].astype(np.float32)

    def _named(self, kind: Kind, outputs: dict[str, Array]) -> str:
        spec = self._contract.output_of(kind)
        return spec.name if spec is not None and spec.name in outputs else ""


def _first(outputs: dict[str, Array], kinds: str) -> str:
    return next((name for name, array in outputs.items() if array.dtype.kind in kinds), "")


def _logarithms(scores: Array) -> Array:
    """Scores as they are, but probabilities as their logarithms."""
    if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        logarithms: Array = np.log(np.maximum(scores, LEAST)).astype(np.float32)
        return logarithms
    return scores
