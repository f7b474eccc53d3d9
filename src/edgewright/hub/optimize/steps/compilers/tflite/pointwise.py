"""Lowers what works on each number by itself, or on two of the same place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

from edgewright.hub.optimize.steps.compilers.tflite.layers import activation
from edgewright.hub.optimize.steps.compilers.tflite.lowering import (
    Array,
    Lower,
    Lowering,
    Value,
    attribute,
    narrowed,
    refused,
    turned_shape,
)
from edgewright.hub.optimize.steps.compilers.tflite.writer import TYPES

SIMPLE = {
    "Abs": "ABS",
    "Elu": "ELU",
    "Exp": "EXP",
    "HardSwish": "HARD_SWISH",
    "Log": "LOG",
    "Neg": "NEG",
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Sqrt": "SQRT",
    "Tanh": "TANH",
}
PAIRS = {"Add": schema.AddOptionsT, "Div": schema.DivOptionsT, "Mul": schema.MulOptionsT, "Sub": schema.SubOptionsT}
CLIPS = {(0.0, np.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, 1.0): "RELU_0_TO_1"}


def simple(lowering: Lowering, node: onnx.NodeProto) -> None:
    """One operator of one input, in whatever order the axes lie."""
    if node.op_type == "Elu" and attribute(node, "alpha", 1.0) != 1.0:
        raise refused(node, "its alpha is not 1")
    _alike(lowering, node, SIMPLE[node.op_type])


def leaky(lowering: Lowering, node: onnx.NodeProto) -> None:
    """LeakyRelu."""
    options = schema.LeakyReluOptionsT()
    options.alpha = attribute(node, "alpha", 0.01)
    _alike(lowering, node, "LEAKY_RELU", options)


def clip(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Clip, between the bounds that TFLite has activations for."""
    low, high = (_bound(lowering, node, place, default) for place, default in ((1, -np.inf), (2, np.inf)))
    if (low, high) not in CLIPS:
        raise refused(node, f"it clips to {low:g} … {high:g}; TFLite has {', '.join(map(str, CLIPS))}")
    _alike(lowering, node, CLIPS[low, high])


def pair(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Add, Sub, Mul and Div, with broadcasting."""
    name, shape = node.output[0], lowering.shapes[node.output[0]]
    is_last = _are_last(lowering, node)
    takes = [_operand(lowering, each, len(shape), is_last) for each in node.input]
    made = lowering.new(name, turned_shape(shape) if is_last else shape)
    options = PAIRS[node.op_type]()
    options.fusedActivationFunction = activation(node)
    lowering.writer.operator(node.op_type.upper(), takes, made, options)
    lowering.give(name, Value(made, shape, is_last=is_last))


def normalise(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Batch normalisation that stands alone: one factor and one summand for each channel."""
    scale, bias, mean, variance = (narrowed(lowering.needed(node, place)) for place in range(1, 5))
    factor = scale / np.sqrt(variance + np.float32(attribute(node, "epsilon", 1e-5)))
    name, shape = node.output[0], lowering.shapes[node.output[0]]
    is_flat = len(shape) == 2
    takes = lowering.plain(node.input[0]) if is_flat else lowering.last(node.input[0])
    lies = shape if is_flat else turned_shape(shape)
    scaled, made = lowering.writer.tensor(f"{name}/scaled", np.float32, lies), lowering.new(name, lies)
    factors = lowering.writer.constant(f"{name}/factor", factor.astype(np.float32))
    summands = lowering.writer.constant(f"{name}/summand", (bias - mean * factor).astype(np.float32))
    lowering.writer.operator("MUL", [takes.tensor, factors], scaled, schema.MulOptionsT())
    lowering.writer.operator("ADD", [scaled, summands], made, schema.AddOptionsT())
    lowering.give(name, Value(made, shape, is_last=not is_flat))


def hard_sigmoid(lowering: Lowering, node: onnx.NodeProto) -> None:
    """HardSigmoid, as a sixth of what TFLite's RELU6 leaves of six times the line."""
    takes, name = lowering.value(node.input[0]), node.output[0]
    shape = lowering.writer.shape_of(takes.tensor)
    scaled, clipped = (lowering.writer.tensor(f"{name}/{part}", np.float32, shape) for part in ("scaled", "clipped"))
    made = lowering.new(name, shape)
    factors = {"alpha": 6 * attribute(node, "alpha", 0.2), "beta": 6 * attribute(node, "beta", 0.5), "sixth": 1 / 6}
    fixed = {part: lowering.writer.constant(f"{name}/{part}", np.float32(value)) for part, value in factors.items()}
    summed = schema.AddOptionsT()
    summed.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    lowering.writer.operator("MUL", [takes.tensor, fixed["alpha"]], scaled, schema.MulOptionsT())
    lowering.writer.operator("ADD", [scaled, fixed["beta"]], clipped, summed)
    lowering.writer.operator("MUL", [clipped, fixed["sixth"]], made, schema.MulOptionsT())
    lowering.give(name, Value(made, takes.shape, takes.is_last, takes.flat_of))


def cast(lowering: Lowering, node: onnx.NodeProto) -> None:
    """A change of element type."""
    if lowering.dtypes[node.input[0]] == lowering.dtypes[node.output[0]]:
        same(lowering, node)
        return
    options = schema.CastOptionsT()
    options.inDataType = TYPES[lowering.dtypes[node.input[0]]]
    options.outDataType = TYPES[lowering.dtypes[node.output[0]]]
    _alike(lowering, node, "CAST", options)


def same(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Nothing at all: Identity, and Dropout after training."""
    lowering.give(node.output[0], lowering.value(node.input[0]))


POINTWISE: Mapping[str, Lower] = {
    **dict.fromkeys(SIMPLE, simple),
    **dict.fromkeys(PAIRS, pair),
    "BatchNormalization": normalise,
    "Cast": cast,
    "Clip": clip,
    "Dropout": same,
    "HardSigmoid": hard_sigmoid,
    "Identity": same,
    "LeakyRelu": leaky,
}


def _bound(lowering: Lowering, node: onnx.NodeProto, place: int, default: float) -> float:
    is_given = len(node.input) > place and bool(node.input[place])
    return float(lowering.needed(node, place).reshape(())) if is_given else default


def _alike(lowering: Lowering, node: onnx.NodeProto, operator: str, options: object = None) -> None:
    """An operator whose output lies as its input does."""
    takes, name = lowering.value(node.input[0]), node.output[0]
    made = lowering.new(name, lowering.writer.shape_of(takes.tensor))
    lowering.writer.operator(operator, [takes.tensor], made, options)
    lowering.give(name, Value(made, takes.shape, takes.is_last, takes.flat_of))


def _are_last(lowering: Lowering, node: onnx.NodeProto) -> bool:
    """Whether to compute with channels last: an input lies so, and all have as many axes or are fixed."""
    rank = len(lowering.shapes[node.output[0]])
    computed = [lowering.value(name) for name in node.input if lowering.constant(name) is None]
    return any(value.is_last for value in computed) and all(len(value.shape) == rank for value in computed)


def _operand(lowering: Lowering, name: str, rank: int, is_last: bool) -> int:
    fixed = lowering.constant(name)
    if not is_last:
        return lowering.plain(name).tensor
    if fixed is None:
        return lowering.last(name).tensor
    return lowering.writer.constant(f"{name}/last", _turned(narrowed(fixed), rank))


def _turned(array: Array, rank: int) -> Array:
    """A constant as it stands beside pictures, or signals with a height of 1, whose channels lie last."""
    if array.size == 1:
        return array.reshape(())
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    return np.ascontiguousarray(np.moveaxis(full, 1, -1).reshape(turned_shape(full.shape)))
