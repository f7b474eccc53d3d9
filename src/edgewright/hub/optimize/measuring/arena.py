"""How much memory tflite-micro's arena takes for a model, as its planner would lay it out. Pure.

The planner is that of tflite-micro (micro/memory_planner/greedy_memory_planner.cc): tensors by falling size,
each at the lowest place that is free while it lives. Beside it lie, for good, one TfLiteEvalTensor for each tensor
(12 bytes on 32 bits; c/common.h) and a multiplier and a shift for each channel of layers with weights
(kernels/conv_common.cc). What kernels hold beside that, their scratch buffers and the interpreter itself, differs by
build, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from edgewright.contract.delta.maker.containers.flatbuffer import field, follow, integers, scalar, tables
from edgewright.contract.delta.maker.containers.window import Window
from edgewright.contract.delta.source import MemorySource

ALIGNMENT_BYTES = 16
EVAL_TENSOR_BYTES = 12
CHANNEL_BYTES = 8

TYPE_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 10: 8, 12: 8, 15: 4, 16: 2}  # TensorType
LAYERS = {3: 0, 4: 3, 9: 0}  # BuiltinOperator: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED → the axis of channels
_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_CODE_OLD, _CODE = 0, 3
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER = 0, 1, 2
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_BUFFER_DATA = 0


@dataclass(frozen=True)
class Lived:
    """A tensor in the arena: its bytes, and from which operator to which it must be there (0: before the first)."""

    size_bytes: int
    first: int
    last: int
    offset: int = 0


def arena_bytes(model: bytes) -> int:
    """For the first graph of a .tflite file; raises ValueError, IndexError or struct.error where it is none."""
    data = Window(MemorySource(model))
    root = follow(data, 0)
    graph = next(tables(data, root, _MODEL_SUBGRAPHS))
    tensors = list(tables(data, graph, _GRAPH_TENSORS))
    plan = placed(_lives(data, root, graph, tensors))
    activations_bytes = max((one.offset + one.size_bytes for one in plan), default=0)
    return activations_bytes + EVAL_TENSOR_BYTES * len(tensors) + CHANNEL_BYTES * _channels(data, root, graph, tensors)


def placed(lives: Sequence[Lived]) -> list[Lived]:
    """Each at its place."""
    plan: list[Lived] = []
    by_size = sorted(lives, key=lambda each: each.size_bytes)
    for one in by_size[::-1]:  # the last of equals first, as there
        beside = sorted((each for each in plan if each.first <= one.last and one.first <= each.last), key=_offset)
        plan.append(replace(one, offset=_gap(beside, one.size_bytes)))
    return plan


def _gap(beside: Sequence[Lived], size_bytes: int) -> int:
    """The lowest offset with room among those that live at the same time, which stand in order."""
    end = 0
    for each in beside:
        if each.offset - end >= size_bytes:
            return end
        end = max(end, each.offset + each.size_bytes)
    return end


def _offset(one: Lived) -> int:
    return one.offset


def _lives(data: Window, root: int, graph: int, tensors: Sequence[int]) -> list[Lived]:
    """Every tensor without data of its own that an operator touches, or that goes in or out."""
    held = [field(data, buffer, _BUFFER_DATA) is not None for buffer in tables(data, root, _MODEL_BUFFERS)]
    operators = list(tables(data, graph, _GRAPH_OPERATORS))
    first = dict.fromkeys(integers(data, graph, _GRAPH_INPUTS), 0)
    last = dict.fromkeys(first, 0)
    for number, operator in enumerate(operators, start=1):
        for tensor in integers(data, operator, _OPERATOR_OUTPUTS):
            first.setdefault(tensor, number)
            last[tensor] = max(last.get(tensor, 0), number)
        for tensor in integers(data, operator, _OPERATOR_INPUTS):
            last[tensor] = number
    last |= dict.fromkeys(integers(data, graph, _GRAPH_OUTPUTS), len(operators))
    return [
        Lived(_size_bytes(data, tensors[number]), first[number], last[number])
        for number in sorted(first)
        if not held[scalar(data, tensors[number], _TENSOR_BUFFER, "<I")]
    ]


def _size_bytes(data: Window, tensor: int) -> int:
    """Of a tensor, up to a multiple of ALIGNMENT_BYTES."""
    each_bytes = TYPE_BYTES.get(scalar(data, tensor, _TENSOR_TYPE, "<b"))
    if each_bytes is None:
        raise ValueError("a tensor is of a type that tflite-micro does not hold")
    size_bytes = prod(integers(data, tensor, _TENSOR_SHAPE)) * each_bytes
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _channels(data: Window, root: int, graph: int, tensors: Sequence[int]) -> int:
    """Of all layers with weights."""
    codes = [
        max(scalar(data, code, _CODE_OLD, "<b"), scalar(data, code, _CODE, "<i"))
        for code in tables(data, root, _MODEL_CODES)
    ]
    total = 0
    for operator in tables(data, graph, _GRAPH_OPERATORS):
        axis = LAYERS.get(codes[scalar(data, operator, _OPERATOR_CODE, "<I")])
        if axis is not None:
            total += integers(data, tensors[integers(data, operator, _OPERATOR_INPUTS)[1]], _TENSOR_SHAPE)[axis]
    return total
