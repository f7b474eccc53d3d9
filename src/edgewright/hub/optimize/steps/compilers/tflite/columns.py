"""Lowers what moves, joins, picks and sums up numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

from edgewright.hub.optimize.steps.compilers.tflite.lowering import (
    Lower,
    Lowering,
    Value,
    attribute,
    narrowed,
    refused,
    turned_axis,
    turned_shape,
)

MEANS = {"ReduceMax": "REDUCE_MAX", "ReduceMean": "MEAN", "ReduceSum": "SUM"}


def reshape(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze: the same numbers in another shape."""
    name = node.output[0]
    takes, shape = lowering.value(node.input[0]), lowering.shapes[name]
    if takes.is_last and len(shape) == 2 and shape[0] == takes.shape[0]:
        made = lowering.reshape(takes.tensor, shape, name)
        lowering.give(name, Value(made, shape, flat_of=takes.shape))
        return
    made = lowering.reshape(lowering.plain(node.input[0]).tensor, shape, name)
    lowering.give(name, Value(made, shape))


def transpose(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Transpose; one that only undoes how a picture lies costs nothing."""
    name = node.output[0]
    takes, shape = lowering.value(node.input[0]), lowering.shapes[name]
    perm = tuple(attribute(node, "perm", range(len(shape))[::-1]))
    if takes.is_last and perm == (0, 2, 3, 1):
        lowering.give(name, Value(takes.tensor, shape))
        return
    plain = lowering.plain(node.input[0])
    lowering.give(name, Value(lowering.transpose(plain.tensor, perm, shape, name), shape))


def concat(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Concat."""
    name, shape = node.output[0], lowering.shapes[node.output[0]]
    is_last = all(lowering.constant(each) is None and lowering.value(each).is_last for each in node.input)
    takes = [(lowering.last(each) if is_last else lowering.plain(each)).tensor for each in node.input]
    axis = attribute(node, "axis", 0) % len(shape)
    options = schema.ConcatenationOptionsT()
    options.axis = turned_axis(axis, len(shape)) if is_last else axis
    made = lowering.new(name, turned_shape(shape) if is_last else shape)
    lowering.writer.operator("CONCATENATION", takes, made, options)
    lowering.give(name, Value(made, shape, is_last=is_last))


def softmax(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Softmax over the last axis."""
    takes, name = lowering.plain(node.input[0]), node.output[0]
    rank = len(takes.shape)
    if attribute(node, "axis", -1) % rank != rank - 1:
        raise refused(node, "it is not over the last axis")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    made = lowering.new(name, takes.shape)
    lowering.writer.operator("SOFTMAX", [takes.tensor], made, options)
    lowering.give(name, Value(made, takes.shape))


def reduce(lowering: Lowering, node: onnx.NodeProto) -> None:
    """ReduceMean, ReduceSum and ReduceMax."""
    takes, name = lowering.plain(node.input[0]), node.output[0]
    given = lowering.needed(node, 1) if len(node.input) > 1 else attribute(node, "axes", range(len(takes.shape)))
    axes = sorted(int(axis) % len(takes.shape) for axis in given)
    options = schema.ReducerOptionsT()
    options.keepDims = bool(attribute(node, "keepdims", 1))
    made = lowering.new(name, lowering.shapes[name])
    places = lowering.writer.constant(f"{name}/axes", np.array(axes, np.int32))
    lowering.writer.operator(MEANS[node.op_type], [takes.tensor, places], made, options)
    lowering.give(name, Value(made, lowering.shapes[name]))


def arg_max(lowering: Lowering, node: onnx.NodeProto) -> None:
    """ArgMax: the first of equals, as ONNX has it by default."""
    takes, name = lowering.plain(node.input[0]), node.output[0]
    shape = lowering.shapes[name]
    axis = attribute(node, "axis", 0) % len(takes.shape)
    if attribute(node, "select_last_index", 0):
        raise refused(node, "it takes the last of equals")
    options = schema.ArgMaxOptionsT()
    options.outputType = schema.TensorType.INT64
    found = lowering.new(name, tuple(each for place, each in enumerate(takes.shape) if place != axis))
    places = lowering.writer.constant(f"{name}/axis", np.array(axis, np.int32))
    lowering.writer.operator("ARG_MAX", [takes.tensor, places], found, options)
    lowering.give(name, Value(lowering.reshape(found, shape, f"{name}/kept"), shape))


def look_up(lowering: Lowering, node: onnx.NodeProto) -> None:
    """ArrayFeatureExtractor from a fixed list: the class of each place, as scikit-learn's exporter writes it."""
    classes, name = narrowed(lowering.needed(node, 0)).reshape(-1), node.output[0]
    takes = lowering.plain(node.input[1])
    found = lowering.writer.tensor(f"{name}/classes", classes.dtype, takes.shape)
    places = lowering.writer.constant(f"{name}/list", classes)
    lowering.writer.operator("GATHER", [places, takes.tensor], found, schema.GatherOptionsT())
    shape = lowering.shapes[name]
    lowering.give(name, Value(lowering.reshape(found, shape, name), shape))


def gather(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Gather: slices along an axis, by their places."""
    table, places, name = lowering.plain(node.input[0]), lowering.plain(node.input[1]), node.output[0]
    options = schema.GatherOptionsT()
    options.axis = attribute(node, "axis", 0) % len(table.shape)
    made = lowering.new(name, lowering.shapes[name])
    lowering.writer.operator("GATHER", [table.tensor, places.tensor], made, options)
    lowering.give(name, Value(made, lowering.shapes[name]))


def pad(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Pad with zeros."""
    name, shape = node.output[0], lowering.shapes[node.output[0]]
    fill = lowering.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if (
        attribute(node, "mode", b"constant") != b"constant"
        or (fill is not None and np.any(fill))
        or len(node.input) > 3
    ):
        raise refused(node, "it does not pad all axes with zeros")
    pads = lowering.needed(node, 1).reshape(2, -1).T
    takes = lowering.plain(node.input[0])
    made = lowering.new(name, shape)
    borders = lowering.writer.constant(f"{name}/pads", pads.astype(np.int32))
    lowering.writer.operator("PAD", [takes.tensor, borders], made)
    lowering.give(name, Value(made, shape))


COLUMNS: Mapping[str, Lower] = {
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), reshape),
    **dict.fromkeys(MEANS, reduce),
    "ArgMax": arg_max,
    "ArrayFeatureExtractor": look_up,
    "Concat": concat,
    "Gather": gather,
    "Pad": pad,
    "Softmax": softmax,
    "Transpose": transpose,
}
