"""Lessons: rows and changed copies of them, each with its truth and with what the teacher says to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from edgewright.hub.optimize.steps import StepContext
from edgewright.hub.optimize.steps.training.learning.goal import Goal, Task
from edgewright.hub.optimize.steps.training.learning.rows import Rows, layout_of, varied
from edgewright.hub.optimize.steps.training.learning.teacher import Teacher
from edgewright.hub.optimize.steps.training.torching.graph import Array

TRUTH_SHARE = 0.3
"""Where there is a teacher."""
MAX_BYTES = 512 * 1024**2
"""Of all inputs together."""
TEMPERATURE = 2.0
"""Hinton, Vinyals, Dean, 'Distilling the Knowledge in a Neural Network', section 2."""


@dataclass(frozen=True)
class Lessons:
    """Torch tensors, equally long: the model's inputs in its order, the truth, and the teacher's scores or values.

    `truth_share` of the loss is about the truth, the rest about the teacher's answers.
    """

    inputs: tuple[Any, ...]
    truth: Any
    taught: Any
    task: Task
    truth_share: float

    def __len__(self) -> int:
        return len(self.truth)

    def loss(self, given: Any, chosen: Any) -> Any:
        """How far the answers `given` are from what rows `chosen` teach."""
        truth, taught, share = self.truth[chosen], self.taught[chosen], self.truth_share
        if self.task is Task.VALUES:
            given = given.reshape(truth.shape)
            off = share * (given - truth).square().mean() + (1 - share) * (given - taught).square().mean()
            return off / (self.truth.var() + 1e-12)
        scores = paired(given)
        wanted = torch.softmax(taught / TEMPERATURE, 1)
        soft = -(wanted * torch.log_softmax(scores / TEMPERATURE, 1)).sum(1).mean() * TEMPERATURE**2
        return share * torch.nn.functional.cross_entropy(scores, truth) + (1 - share) * soft


def lessons(
    rows: Rows,
    goal: Goal,
    teacher: Teacher | None,
    context: StepContext,
    *,
    takes: tuple[str, ...],
    copies: int,
    seed: int,
) -> Lessons:
    """The rows as they are, and `copies` changed ones of each (fewer beyond MAX_BYTES); the same for the same seed.

    `takes` are those inputs that the network takes, in its order. Without a teacher, the truth is all there is.
    """
    chance = np.random.default_rng(seed)
    copies = min(copies, max(0, MAX_BYTES // sum(array.nbytes for array in rows.inputs.values()) - 1))
    layouts = {name: layout_of(context, name, array) for name, array in rows.inputs.items()}
    sets = [
        rows.inputs,
        *({name: varied(array, *layouts[name], chance) for name, array in rows.inputs.items()} for _ in range(copies)),
    ]
    inputs = {name: np.concatenate([each[name] for each in sets]) for name in rows.inputs}
    targets = np.concatenate([goal.targets(rows.truth)] * (copies + 1))
    taught = np.zeros((len(targets), len(goal.classes)), np.float32)
    if teacher is not None:
        taught = _taught(teacher, goal, inputs)
    elif goal.task is Task.VALUES:
        taught = targets
    return Lessons(
        tuple(torch.from_numpy(inputs[name]) for name in takes),
        torch.from_numpy(targets),
        torch.from_numpy(taught),
        goal.task,
        1.0 if teacher is None else TRUTH_SHARE,
    )


def paired(scores: Any) -> Any:
    """Scores of two classes where there is one: the first class has none."""
    scores = scores.reshape(len(scores), -1)
    return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores


def _taught(teacher: Teacher, goal: Goal, inputs: dict[str, Array]) -> Array:
    if goal.task is Task.VALUES:
        values = teacher.values(inputs, goal.at)
        return values.reshape(len(values), -1)
    return teacher.scores(inputs, goal.classes)
