"""What there is to learn: which class each row is of, or which values belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.optimize.steps.training.torching import Graph, Tail, scores_of, tail_of
from edgewright.hub.optimize.steps.training.torching.graph import Array

HIGH = 10.0
TOLD = 8
"""So many classes are named in an error."""


class Task(StrEnum):
    """How answers are judged."""

    CLASSES = "classes"
    VALUES = "values"


@dataclass(frozen=True)
class Goal:
    """The tensor `at` is to fit: scores, of which the highest names one of `classes`; or values.

    `classes` are the labels as the truth has them, in the order of the scores (one score for two classes: the
    second's). `tail` makes the model's outputs of the scores; None where nothing does.
    """

    task: Task
    at: str
    width: int
    classes: Array
    tail: Tail | None = None

    def targets(self, truth: Array) -> Array:
        """What to learn of the truth: int64 places in `classes`, or float32 values. Raises InvalidInput."""
        if self.task is Task.VALUES:
            return _values(truth, self.width)
        return places(truth.reshape(-1), self.classes)


def goal_of(graph: Graph, contract: Contract) -> Goal:
    """What a network learns, from what its contract says it gives. Raises InvalidInput where that cannot be trained."""
    value = contract.output_of(Kind.VALUE)
    if value is not None:
        return Goal(Task.VALUES, value.name, _width(graph, value.name), np.zeros(0))
    named = [spec.kind for spec in contract.outputs]
    if named and not {Kind.SCORES, Kind.LABEL} & set(named):
        kinds = ", ".join(named)
        raise InvalidInput(f"the contract's outputs ({kinds}) name no class and no value to learn", field="contract")
    scores = scores_of(graph)
    width, tail = _width(graph, scores), tail_of(graph, scores)
    return Goal(Task.CLASSES, scores, width, _classes(tail, width, contract), tail)


def places(truth: Array, classes: Array) -> Array:
    """The place of each label in `classes`. Raises InvalidInput for labels not among them, or if all are the same."""
    known = classes.astype(truth.dtype) if truth.dtype.kind in "US" else classes
    order = np.argsort(known)
    found = order[np.searchsorted(known, truth, sorter=order).clip(max=len(known) - 1)]
    wrong = truth[known[found] != truth]
    if len(wrong):
        told = ", ".join(str(each) for each in classes[:TOLD]) + (", …" if len(classes) > TOLD else "")
        raise InvalidInput(f"the truth names a class '{wrong[0]}'; the model knows {told}", field="train.label")
    if len(np.unique(found)) < 2:
        raise InvalidInput(f"all rows are of one class, '{truth[0]}': there is nothing to learn", field="train.label")
    at: Array = found.astype(np.int64)
    return at


def _classes(tail: Tail | None, width: int, contract: Contract) -> Array:
    """The labels in the order of the scores: what the tail says when one score is the highest."""
    label = contract.output_of(Kind.LABEL)
    count = max(2, width)
    if label is None or tail is None:
        return np.arange(count)
    scores = np.array([[-HIGH], [HIGH]]) if width == 1 else HIGH * np.eye(width)
    answers = tail.answers(scores.astype(np.float32))
    named: Array = answers[label.name].reshape(-1) if label.name in answers else np.arange(count)
    return named


def _width(graph: Graph, tensor: str) -> int:
    shape = graph.shapes.get(tensor, ())
    if len(shape) > 2 or not shape or (len(shape) == 2 and shape[1] is None):
        told = ", ".join("any" if axis is None else str(axis) for axis in shape)
        raise InvalidInput(f"'{tensor}' is no list of scores for each row (its shape: {told})", field="model")
    return shape[1] or 0 if len(shape) == 2 else 1


def _values(truth: Array, width: int) -> Array:
    if truth.dtype.kind not in "fiu" or not np.isfinite(truth).all():
        raise InvalidInput("the truth has something that is no finite number", field="train.label")
    values = truth.astype(np.float32).reshape(len(truth), -1)
    if values.shape[1] != width:
        said = f"the truth has {values.shape[1]} values a row; the model gives {width}"
        raise InvalidInput(said, field="train.label")
    if np.ptp(values) == 0:
        raise InvalidInput(f"all rows have the value {values[0, 0]:g}: there is nothing to learn", field="train.label")
    return values
