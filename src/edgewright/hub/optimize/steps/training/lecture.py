"""What the steps that train a model begin with: the model in torch, its goal, and lessons for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewright.hub.optimize.steps import StepContext
from edgewright.hub.optimize.steps.training.learning import (
    Lessons,
    Teacher,
    goal_of,
    labelled,
    lessons,
    settle,
)
from edgewright.hub.optimize.steps.training.torching import Graph, Network, network


@dataclass(frozen=True)
class Lecture:
    """A model's graph, the part of it that trains, and what it is to learn from."""

    graph: Graph
    network: Network
    lessons: Lessons


def lecture(graph: Graph, source: Path, context: StepContext, *, copies: int, seed: int) -> Lecture:
    """Make torch repeat itself, and take the model apart. The version's source teaches, or else the model at `source`.

    Raises InvalidInput for models and rows that training cannot work on, in words that name what is wrong.
    """
    settle(seed)
    goal = goal_of(graph, context.contract)
    made = network(graph, goal.at)
    rows = labelled(context, graph.inputs)
    goal.targets(rows.truth)
    teacher = Teacher(context.teacher or source, context.contract)
    taught = lessons(rows, goal, teacher, context, takes=made.inputs, copies=copies, seed=seed)
    return Lecture(graph, made, taught)
