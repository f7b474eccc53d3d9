"""Runs one model over one hold-out and tells what it answered, in a process of its own."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.children import serve
from edgewright.hub.registry.runner import Runner, inputs_of


class EvaluatorQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which model on which rows (paths)."""

    model: str
    holdout: str
    contract: Contract
    tables: dict[str, str]  # paths of the files that steps of preprocessing need, by name


class EvaluatorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The predicted class of each row."""

    classes: tuple[int, ...]


def evaluate(asked: EvaluatorQuestion) -> EvaluatorAnswer:
    """The LABEL output of each row, or the largest of its SCORES; raises InvalidInput where there is neither."""
    with np.load(asked.holdout, allow_pickle=False) as arrays:
        inputs = inputs_of(arrays, asked.contract)
    label, scores = (asked.contract.output_of(kind) for kind in (Kind.LABEL, Kind.SCORES))
    outputs = Runner(asked.model, asked.contract, asked.tables).answer(inputs)
    if label is not None:
        classes = outputs[label.name].reshape(-1)
    elif scores is not None:
        classes = outputs[scores.name].argmax(axis=1)
    else:
        raise InvalidInput("a model without a label or scores cannot be evaluated", field="contract.outputs")
    return EvaluatorAnswer(classes=tuple(classes.astype(int).tolist()))


if __name__ == "__main__":
    serve(evaluate, EvaluatorQuestion)
