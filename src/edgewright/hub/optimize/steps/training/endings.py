"""What a student's scores become: the outputs of the model whose place it takes, made as that model makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.optimize.steps.training.learning import Goal, Rows, Task, Teacher, goal_of
from edgewright.hub.optimize.steps.training.torching import Graph
from edgewright.hub.optimize.steps.training.torching.graph import Array

SCORES = "student_scores"


@dataclass(frozen=True)
class Ending:
    """The nodes after the scores, their tensors, and what there is to learn."""

    goal: Goal
    nodes: tuple[onnx.NodeProto, ...] = ()
    tensors: tuple[onnx.TensorProto, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All that are taken."""
        named = {name for node in self.nodes for name in (*node.input, *node.output)}
        return frozenset(named | {tensor.name for tensor in self.tensors})


def ending(source: Graph, contract: Contract, teacher: Teacher, rows: Rows) -> Ending:
    """A network's own ending; for anything else one that gives the same outputs: softmax, and the likeliest class.

    Raises InvalidInput for an output that a student cannot give.
    """
    if source.weighted():
        goal = goal_of(source, contract)
        if goal.task is Task.CLASSES and goal.tail is not None:
            return Ending(goal, goal.tail.nodes, goal.tail.tensors)
    value = contract.output_of(Kind.VALUE)
    if value is not None:
        return _values(source, value.name)
    return _classes(source, teacher.outputs(rows.inputs), rows)


def _values(source: Graph, name: str) -> Ending:
    if source.outputs != (name,):
        raise InvalidInput(
            f"a student of values gives one output; the model gives {', '.join(source.outputs)}", field="model"
        )
    shape = source.shapes.get(name, (None, 1))
    if len(shape) != 2 or shape[1] is None:
        raise InvalidInput(f"the values of '{name}' are no table of fixed width", field="model")
    return Ending(Goal(Task.VALUES, name, shape[1], np.zeros(0)))


def _classes(source: Graph, outputs: dict[str, Array], rows: Rows) -> Ending:
    scored = next((name for name, array in outputs.items() if array.dtype.kind == "f" and array.ndim == 2), "")
    named = next((name for name, array in outputs.items() if array.dtype.kind in "iuUO"), "")
    known = np.arange(outputs[scored].shape[1]) if scored else np.unique(rows.truth)
    if named:
        known = _in_order(outputs, scored, named, rows)
    nodes, tensors = [], []
    for name in source.outputs:
        if name == scored:
            nodes.append(helper.make_node("Softmax", [SCORES], [name], axis=1))
        elif name == named:
            labels = numpy_helper.from_array(known.astype(_dtype(source, name)), "student_classes")
            keeps = outputs[name].ndim - 1
            nodes.append(helper.make_node("ArgMax", [SCORES], ["student_place"], axis=1, keepdims=keeps))
            nodes.append(helper.make_node("Gather", [labels.name, "student_place"], [name]))
            tensors.append(labels)
        else:
            raise InvalidInput(f"no student can give the output '{name}'", field="model")
    return Ending(Goal(Task.CLASSES, SCORES, len(known), known), tuple(nodes), tuple(tensors))


def _in_order(outputs: dict[str, Array], scored: str, named: str, rows: Rows) -> Array:
    """The labels that the model gives, in the order of its scores, where it has any."""
    given = outputs[named].reshape(-1)
    known: Array = np.unique(np.concatenate([given, rows.truth.reshape(-1).astype(given.dtype)]))
    if not scored:
        return known
    is_fitting = outputs[scored].shape[1] == len(known)
    if not is_fitting or (known[outputs[scored].argmax(1)] != given).mean() > 0.01:
        raise InvalidInput(
            f"which column of '{scored}' belongs to which label of '{named}' cannot be told", field="model"
        )
    return known


def _dtype(source: Graph, name: str) -> Any:
    value = next(value for value in source.model.graph.output if value.name == name)
    kind = value.type.tensor_type.elem_type
    return object if kind == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind)
