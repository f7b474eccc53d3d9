"""Makes a version's reference profile, and counts what its hold-out's labels say, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.profile import Schema, build_schema, encode_schema
from edgewright.contract.tensors import Contract
from edgewright.hub.children import serve
from edgewright.hub.registry.rows import check_rows
from edgewright.hub.registry.runner import Arrays, Runner, inputs_of
from edgewright.hub.registry.truth import LABEL, HoldOutCounts, count_hold_out, encode_counts

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
    """The profile's schema, and the hold-out's counts: b"" where it has no labels, or the model no classes."""

    schema: bytes
    hold_out: bytes


def build(asked: ReferenceQuestion) -> ReferenceAnswer:
    """Profile the training rows as inputs and the hold-out's predictions as outputs.

    A model is surer of rows it learned than of rows it meets: its own training scores would look like drift.
    Raises InvalidInput where the rows do not fit the contract, or the hold-out's labels its rows.
    """
    runner = Runner(asked.model, asked.contract, asked.tables)
    outputs = runner.answer(_inputs(Path(asked.holdout), asked.contract, "holdout.npz"))
    inputs = _inputs(Path(asked.train), asked.contract, "train.npz")
    schema = build_schema(asked.contract, asked.name, asked.version, inputs, outputs)
    counts = _counts(Path(asked.holdout), asked.contract, schema, outputs)
    return ReferenceAnswer(schema=encode_schema(schema), hold_out=b"" if counts is None else encode_counts(counts))


def _inputs(path: Path, contract: Contract, name: str) -> Arrays:
    with np.load(path, allow_pickle=False) as arrays:
        check_rows(arrays, contract.inputs, name)
        return inputs_of(arrays, contract, MAX_ROWS)


def _counts(path: Path, contract: Contract, schema: Schema, outputs: Arrays) -> HoldOutCounts | None:
    """None where the hold-out has no labels, or what has their name is an input."""
    inputs = [spec.name for spec in contract.inputs]
    with np.load(path, allow_pickle=False) as arrays:
        if LABEL not in arrays or LABEL in inputs:
            return None
        return count_hold_out(schema, contract, outputs, arrays[LABEL], len(arrays[inputs[0]]))


if __name__ == "__main__":
    serve(build, ReferenceQuestion)
