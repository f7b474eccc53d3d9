"""Makes a version's reference profile, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract

MAX_ROWS = 50_000


def build(model: Path, train: Path, holdout: Path, contract: Contract, name: str, version: int) -> bytes:
    """Profile the training rows as inputs and the hold-out's predictions as outputs; returns the encoded schema.

    A model is surer of rows it learned than of rows it meets: its own training scores would look like drift.
    """
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in contract.outputs]
    answers = session.run(names, _inputs(holdout, contract))
    outputs = dict(zip(names, answers, strict=True))
    schema = build_schema(contract, name, version, _inputs(train, contract), outputs)
    return encode_schema(schema)


def _inputs(path: Path, contract: Contract) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return {spec.name: arrays[spec.name][:MAX_ROWS].astype(spec.dtype) for spec in contract.inputs}


def main(argv: list[str]) -> None:
    """Entry of the child process: MODEL TRAIN HOLDOUT CONTRACT NAME VERSION OUT."""
    model, train, holdout, contract, name, version, out = argv
    spec = msgspec.json.decode(Path(contract).read_bytes(), type=Contract)
    schema = build(Path(model), Path(train), Path(holdout), spec, name, int(version))
    Path(out).write_bytes(schema)


if __name__ == "__main__":
    main(sys.argv[1:])
