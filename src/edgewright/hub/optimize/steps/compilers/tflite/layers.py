"""Lowers what multiplies by weights, and what pools: Conv, Gemm, MatMul, MaxPool, AveragePool, GlobalAveragePool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

from edgewright.hub.optimize.steps.compilers.tflite.fusion import FUSED
from edgewright.hub.optimize.steps.compilers.tflite.lowering import (
    Array,
    Lower,
    Lowering,
    Shape,
    Value,
    attribute,
    narrowed,
    refused,
    turned_shape,
)

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID


def activation(node: onnx.NodeProto) -> Any:
    """The code of the activation melted into a node."""
    return getattr(schema.ActivationFunctionType, attribute(node, FUSED, b"NONE").decode())


def conv(lowering: Lowering, node: onnx.NodeProto) -> None:
    """A convolution over one or two axes; one filter for each channel becomes DEPTHWISE_CONV_2D."""
    weights = _widened(node, narrowed(lowering.needed(node, 1)))
    groups, channels = attribute(node, "group", 1), lowering.shapes[node.input[0]][1]
    is_depthwise = groups == channels and groups > 1
    lies = _lies(node, lowering.needed(node, 1).shape[2:])
    takes, padding = _padded(lowering, node, lies)
    kernel = weights.transpose(1, 2, 3, 0) if is_depthwise else weights.transpose(0, 2, 3, 1)
    if groups not in (1, channels):
        raise refused(node, f"it has {groups} groups of channels; one, or as many as channels, can be had")
    bias = narrowed(lowering.needed(node, 2)) if _has(node, 2) else np.zeros(len(weights), np.float32)
    name = node.output[0]
    made = lowering.new(name, turned_shape(lowering.shapes[name]))
    options: Any = schema.DepthwiseConv2DOptionsT() if is_depthwise else schema.Conv2DOptionsT()
    _place(options, padding, lies)
    options.dilationHFactor, options.dilationWFactor = lies.dilations
    options.fusedActivationFunction = activation(node)
    if is_depthwise:
        options.depthMultiplier = len(weights) // groups
    feeds = [takes, lowering.writer.constant(f"{name}/w", kernel), lowering.writer.constant(f"{name}/b", bias)]
    lowering.writer.operator("DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D", feeds, made, options)
    lowering.give(name, Value(made, lowering.shapes[name], is_last=True))


def gemm(lowering: Lowering, node: onnx.NodeProto) -> None:
    """A dense layer with fixed weights."""
    if attribute(node, "transA", 0):
        raise refused(node, "its first input is transposed")
    weights = narrowed(lowering.needed(node, 1)) * np.float32(attribute(node, "alpha", 1.0))
    weights = weights if attribute(node, "transB", 0) else weights.T
    bias = narrowed(lowering.needed(node, 2)) * np.float32(attribute(node, "beta", 1.0)) if _has(node, 2) else None
    _dense(lowering, node, weights, bias)


def matmul(lowering: Lowering, node: onnx.NodeProto) -> None:
    """A product with a fixed matrix."""
    weights = narrowed(lowering.needed(node, 1))
    if weights.ndim != 2:
        raise refused(node, "its weights are no matrix")
    _dense(lowering, node, weights.T, None)


def pool(lowering: Lowering, node: onnx.NodeProto) -> None:
    """MaxPool and AveragePool."""
    lies = _lies(node, tuple(attribute(node, "kernel_shape", ())))
    is_average = node.op_type == "AveragePool"
    if set(lies.dilations) != {1} or attribute(node, "ceil_mode", 0) or len(node.output) > 1:
        raise refused(node, "it is dilated, rounds its size up, or tells indices")
    counts_border = is_average and attribute(node, "count_include_pad", 0)
    if not (counts_border or _padding(lies, _lengths(lowering, node)) is not None):
        raise refused(node, f"its borders {lies.pads} are neither none nor TFLite's SAME")
    takes, padding = _padded(lowering, node, lies, always=bool(counts_border))
    name = node.output[0]
    made = lowering.new(name, turned_shape(lowering.shapes[name]))
    options = schema.Pool2DOptionsT()
    _place(options, padding, lies)
    options.filterHeight, options.filterWidth = lies.kernel
    options.fusedActivationFunction = activation(node)
    lowering.writer.operator("AVERAGE_POOL_2D" if is_average else "MAX_POOL_2D", [takes], made, options)
    lowering.give(name, Value(made, lowering.shapes[name], is_last=True))


def global_average(lowering: Lowering, node: onnx.NodeProto) -> None:
    """The mean of each channel."""
    takes, name = lowering.last(node.input[0]), node.output[0]
    made = lowering.new(name, turned_shape(lowering.shapes[name]))
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = lowering.writer.constant(f"{name}/axes", np.array([1, 2], np.int32))
    lowering.writer.operator("MEAN", [takes.tensor, axes], made, options)
    lowering.give(name, Value(made, lowering.shapes[name], is_last=True))


LAYERS: Mapping[str, Lower] = {
    "AveragePool": pool,
    "Conv": conv,
    "Gemm": gemm,
    "GlobalAveragePool": global_average,
    "MatMul": matmul,
    "MaxPool": pool,
}


class _Lies:
    """Where a window lies on each of two axes: kernel, strides, dilations, and the border before and behind."""

    def __init__(self, kernel: Shape, strides: Shape, dilations: Shape, pads: Shape) -> None:
        half = len(pads) // 2
        borders = tuple(zip(pads[:half], pads[half:], strict=True))
        missing = 2 - len(kernel)
        self.kernel: tuple[int, ...] = (*([1] * missing), *kernel)
        self.strides: tuple[int, ...] = (*([1] * missing), *strides)
        self.dilations: tuple[int, ...] = (*([1] * missing), *dilations)
        self.pads: tuple[tuple[int, int], ...] = (*([(0, 0)] * missing), *borders)


def _lies(node: onnx.NodeProto, kernel: Shape) -> _Lies:
    axes = len(kernel)
    if axes > 2:
        raise refused(node, f"it works on {axes} axes; TFLite's does on two")
    if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise refused(node, "its borders are automatic")
    strides = tuple(attribute(node, "strides", [1] * axes))
    dilations = tuple(attribute(node, "dilations", [1] * axes))
    return _Lies(kernel, strides, dilations, tuple(attribute(node, "pads", [0] * 2 * axes)))


def _widened(node: onnx.NodeProto, weights: Array) -> Array:
    """Weights of a signal's convolution, as those of a picture of height 1."""
    if weights.ndim not in (3, 4):
        raise refused(node, f"it works on {weights.ndim - 2} axes; TFLite's does on two")
    return weights[:, :, None, :] if weights.ndim == 3 else weights


def _lengths(lowering: Lowering, node: onnx.NodeProto) -> Shape:
    return turned_shape(lowering.shapes[node.input[0]])[1:3]


def _padding(lies: _Lies, lengths: Shape) -> Any:
    """TFLite's word for the borders, or None if it has none."""
    if all(pair == (0, 0) for pair in lies.pads):
        return VALID
    return SAME if lies.pads == tuple(map(_same, lengths, lies.kernel, lies.strides, lies.dilations)) else None


def _same(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """The borders that TFLite's SAME means (tensorflow/lite/kernels/padding.h): the smaller half comes first."""
    total = max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def _padded(lowering: Lowering, node: onnx.NodeProto, lies: _Lies, *, always: bool = False) -> tuple[int, Any]:
    """The input with the channels last, and the padding to name; borders that have no name are written around it."""
    takes = lowering.last(node.input[0]).tensor
    padding = _padding(lies, _lengths(lowering, node))
    if padding is VALID or (padding is not None and not always):
        return takes, padding
    before = lowering.writer.shape_of(takes)
    pads = ((0, 0), *lies.pads, (0, 0))
    shape = tuple(axis + sum(pair) for axis, pair in zip(before, pads, strict=True))
    name = f"{node.output[0]}/border"
    made = lowering.writer.tensor(name, np.float32, shape)
    lowering.writer.operator("PAD", [takes, lowering.writer.constant(f"{name}s", np.array(pads, np.int32))], made)
    return made, VALID


def _place(options: Any, padding: Any, lies: _Lies) -> None:
    options.padding = padding
    options.strideH, options.strideW = lies.strides


def _dense(lowering: Lowering, node: onnx.NodeProto, weights: Array, bias: Array | None) -> None:
    """FULLY_CONNECTED with weights of outputs × inputs; columns that lie in another order take their weights along."""
    takes = lowering.value(node.input[0])
    if takes.flat_of:
        weights = _with_channels_last(weights, takes.flat_of)
    else:
        takes = lowering.plain(node.input[0])
    name = node.output[0]
    shape = lowering.shapes[name]
    made = lowering.new(name, shape)
    full = np.zeros(len(weights), np.float32) if bias is None else np.broadcast_to(bias.reshape(-1), len(weights))
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction, options.keepNumDims = activation(node), len(shape) > 2
    feeds = [takes.tensor, lowering.writer.constant(f"{name}/w", weights), lowering.writer.constant(f"{name}/b", full)]
    lowering.writer.operator("FULLY_CONNECTED", feeds, made, options)
    lowering.give(name, Value(made, shape))


def _with_channels_last(weights: Array, flat_of: Shape) -> Array:
    pictures = weights.reshape(len(weights), *flat_of[1:])
    return np.moveaxis(pictures, 1, -1).reshape(len(weights), -1)


def _has(node: onnx.NodeProto, place: int) -> bool:
    return len(node.input) > place and bool(node.input[place])
