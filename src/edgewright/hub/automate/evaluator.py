"""Runs one model over one hold-out and prints what it answered, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind


def predicted_classes(model: Path, arrays: dict[str, np.ndarray], contract: Contract) -> np.ndarray:
    """The predicted class of each row: the LABEL output, or the largest of the SCORES. Shape (rows,), int64."""
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    inputs = {spec.name: arrays[spec.name].astype(spec.dtype) for spec in contract.inputs}
    if label := contract.output_of(Kind.LABEL):
        return np.asarray(session.run([label.name], inputs)[0], dtype=np.int64).reshape(-1)
    if scores := contract.output_of(Kind.SCORES):
        best = np.asarray(session.run([scores.name], inputs)[0]).argmax(axis=1)
        return np.asarray(best, dtype=np.int64)
    raise InvalidInput("a model without a label or scores cannot be evaluated", field="contract.outputs")


def main(argv: list[str]) -> None:
    """Entry of the child process: MODEL HOLDOUT CONTRACT OUT (an .npy of the predicted classes)."""
    model, holdout, contract, out = map(Path, argv)
    spec = msgspec.json.decode(contract.read_bytes(), type=Contract)
    with np.load(holdout, allow_pickle=False) as arrays:
        np.save(out, predicted_classes(model, dict(arrays), spec), allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1:])
