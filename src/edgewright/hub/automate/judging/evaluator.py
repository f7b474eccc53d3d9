"""Runs one model over one hold-out and writes what its answers are worth, row by row, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind, TensorSpec
from edgewright.hub.children import serve
from edgewright.hub.optimize.measuring.metrics import predicted
from edgewright.hub.registry.runner import Runner, inputs_of
from edgewright.hub.registry.truth import LABEL, is_same

NEARLY = 1e-3
"""How far probabilities may miss a sum of 1."""


class EvaluatorQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which model on which rows (paths), and where to write the arrays of `judging.metrics.Answers`."""

    model: str
    holdout: str
    contract: Contract
    tables: dict[str, str]  # paths of the files that steps of preprocessing need, by name
    answers: str


class EvaluatorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were answered."""

    rows: int


def evaluate(asked: EvaluatorQuestion) -> EvaluatorAnswer:
    """Do it. Raises InvalidInput where the model has neither classes nor values, or the hold-out no truth that fits."""
    with np.load(asked.holdout, allow_pickle=False) as arrays:
        inputs = inputs_of(arrays, asked.contract)
        truth = arrays.get(LABEL)
    if truth is None:
        raise InvalidInput(f"the hold-out has no array '{LABEL}'", field=f"holdout.{LABEL}")
    outputs = Runner(asked.model, asked.contract, asked.tables).answer(inputs)
    made = worth(asked.contract, outputs, truth)
    np.savez(asked.answers, allow_pickle=False, **made)
    return EvaluatorAnswer(rows=len(truth))


def worth(contract: Contract, outputs: Mapping[str, np.ndarray], truth: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of Answers: `errors` of a regression; else `classes`, `is_right`, and with probabilities the rest."""
    label, scores, value = (contract.output_of(kind) for kind in (Kind.LABEL, Kind.SCORES, Kind.VALUE))
    if label is None and scores is None:
        if value is None:
            raise InvalidInput("a model without classes or values cannot be evaluated", field="contract.outputs")
        return {"errors": _errors(outputs[value.name], truth)}
    classes = predicted(contract, outputs)
    wanted = truth.reshape(-1)
    if len(classes) != len(wanted):
        raise InvalidInput(f"{len(wanted)} truths for {len(classes)} answers", field=f"holdout.{LABEL}")
    names = next((spec.names for spec in (label, scores) if spec and spec.names), ())
    found = {"classes": classes, "is_right": is_same(classes, wanted, names)}
    if scores is not None:
        found |= _probable(outputs[scores.name], scores, wanted)
    return found


def _errors(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    given, wanted = (array.reshape(len(array), -1).astype(np.float64) for array in (answers, truth))
    if given.shape != wanted.shape:
        raise InvalidInput(f"truths are {wanted.shape}, answers {given.shape}", field=f"holdout.{LABEL}")
    return np.nan_to_num(given - wanted, nan=1e100, posinf=1e100, neginf=-1e100)


def _probable(scores: np.ndarray, spec: TensorSpec, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Brier's loss and the confidence of each row; nothing where scores are no probabilities of the truth's classes."""
    shares = scores.reshape(len(scores), -1).astype(np.float64)
    places = _places(truth, spec.names)
    is_fine = (
        np.isfinite(shares).all() and (shares >= -NEARLY).all() and (np.abs(shares.sum(axis=1) - 1) < NEARLY).all()
    )
    if not is_fine or len(places) != len(shares) or ((places < 0) | (places >= shares.shape[1])).any():
        return {}
    of_truth = shares[np.arange(len(shares)), places]
    return {"brier": 1 - 2 * of_truth + (shares**2).sum(axis=1), "confidence": shares.max(axis=1)}


def _places(truth: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    if truth.dtype.kind not in "OUS":
        return truth.astype(np.int64)
    numbered = {name: number for number, name in enumerate(names)}
    return np.array([numbered.get(str(text), -1) for text in truth])


if __name__ == "__main__":
    serve(evaluate, EvaluatorQuestion)
