"""Makes a version's reference profile, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract
from edgewright.hub.children import serve
from edgewright.hub.registry.rows import check_rows

MAX_ROWS = 50_000


class ReferenceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which model on which rows (paths of .npz files)."""

    model: str
    train: str
    holdout: str
    contract: Contract
    name: str
    version: int


class ReferenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    schema: bytes


def build(asked: ReferenceQuestion) -> ReferenceAnswer:
    """Profile the training rows as inputs and the hold-out's predictions as outputs.

    A model is surer of rows it learned than of rows it meets: its own training scores would look like drift.
    Raises InvalidInput where the rows do not fit the contract.
    """
    session = ort.InferenceSession(asked.model, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in asked.contract.outputs]
    answers = session.run(names, _inputs(Path(asked.holdout), asked.contract, "holdout.npz"))
    inputs, outputs = _inputs(Path(asked.train), asked.contract, "train.npz"), dict(zip(names, answers, strict=True))
    schema = build_schema(asked.contract, asked.name, asked.version, inputs, outputs)
    return ReferenceAnswer(schema=encode_schema(schema))


def _inputs(path: Path, contract: Contract, name: str) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        check_rows(arrays, contract.inputs, name)
        return {spec.name: arrays[spec.name][:MAX_ROWS].astype(spec.dtype) for spec in contract.inputs}


if __name__ == "__main__":
    serve(build, ReferenceQuestion)
