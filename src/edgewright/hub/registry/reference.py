"""Makes a version's reference profile, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract
from edgewright.hub.children import serve
from edgewright.hub.registry.rows import check_rows
from edgewright.hub.registry.runner import Arrays, Runner, inputs_of

MAX_ROWS = 50_000


class ReferenceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which model on which rows (paths of .npz files); `tables` are paths by name."""

    model: str
    train: str
    holdout: str
    contract: Contract
    tables: dict[str, str]
    name: str
    version: int


class ReferenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    schema: bytes


def build(asked: ReferenceQuestion) -> ReferenceAnswer:
    """Profile the training rows as inputs and the hold-out's predictions as outputs.

    A model is surer of rows it learned than of rows it meets: its own training scores would look like drift.
    Raises InvalidInput where the rows do not fit the contract.
    """
    runner = Runner(asked.model, asked.contract, asked.tables)
    outputs = runner.answer(_inputs(Path(asked.holdout), asked.contract, "holdout.npz"))
    inputs = _inputs(Path(asked.train), asked.contract, "train.npz")
    schema = build_schema(asked.contract, asked.name, asked.version, inputs, outputs)
    return ReferenceAnswer(schema=encode_schema(schema))


def _inputs(path: Path, contract: Contract, name: str) -> Arrays:
    with np.load(path, allow_pickle=False) as arrays:
        check_rows(arrays, contract.inputs, name)
        return inputs_of(arrays, contract, MAX_ROWS)


if __name__ == "__main__":
    serve(build, ReferenceQuestion)
