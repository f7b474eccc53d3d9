"""Converts an ONNX file: settles its shapes with ONNX Runtime, then lowers operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.compilers.tflite.columns import COLUMNS
from edgewright.hub.optimize.steps.compilers.tflite.fusion import Fusion
from edgewright.hub.optimize.steps.compilers.tflite.layers import LAYERS
from edgewright.hub.optimize.steps.compilers.tflite.lowering import Lower, Lowering, Value
from edgewright.hub.optimize.steps.compilers.tflite.pointwise import POINTWISE
from edgewright.hub.optimize.steps.compilers.tflite.writer import TYPES, Writer

ERRORS_ONLY = 4

LOWER: Mapping[str, Lower] = {**LAYERS, **POINTWISE, **COLUMNS}
"""Every operator that can be lowered, by its ONNX name."""

FOLDED = frozenset({"Constant", "Shape"})
"""What is gone once shapes are settled."""


@dataclass(frozen=True)
class Converted:
    """A .tflite file, and how many rows each call must have (0: any number)."""

    data: bytes
    rows_at_once: int


def convert(model: Path, work: Path) -> Converted:
    """Convert a float32 ONNX file; names, dtypes and shapes stay. `work` is for what lies between.

    The length of the first axis stays free where it is. Raises InvalidInput naming the operator or tensor that TFLite,
    or this converter, does not have.
    """
    source = onnx.load(model)
    has_free_rows = _settle_shapes(source.graph)
    graph = _simplified(source, work).graph
    _check_operators(graph)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = _observed(graph, source, work)
    writer = Writer(has_free_rows=has_free_rows)
    lowering = Lowering(
        writer=writer,
        constants=constants,
        shapes={name: array.shape for name, array in found.items()},
        dtypes={name: array.dtype for name, array in found.items()},
    )
    inputs = {each.name: _input(lowering, each.name) for each in graph.input if each.name not in constants}
    _lower(lowering, graph)
    outputs = {each.name: _output(lowering, each.name) for each in graph.output}
    fixed = 0 if has_free_rows else next((lowering.shapes[name][0] for name in inputs if lowering.shapes[name]), 0)
    return Converted(writer.file(inputs, outputs), fixed)


def _lower(lowering: Lowering, graph: onnx.GraphProto) -> None:
    fusion = Fusion(graph, lowering.constants)
    for node in graph.node:
        if not fusion.is_done(node):
            LOWER[node.op_type](lowering, fusion.fused(node))


def _check_operators(graph: onnx.GraphProto) -> None:
    """Raise InvalidInput naming what cannot be lowered."""
    unknown = sorted({node.op_type for node in graph.node} - set(LOWER))
    if unknown:
        raise InvalidInput(
            f"LiteRT's converter does not know {', '.join(unknown)}",
            field=f"operator.{unknown[0]}",
            hint="ONNX Runtime and OpenVINO targets take the model as it is.",
        )


def _settle_shapes(graph: onnx.GraphProto) -> bool:
    """Fix the rows at 1 where they are free; returns if they are. Raises InvalidInput for other free axes."""
    weights = {tensor.name for tensor in graph.initializer}
    is_free = False
    for value in graph.input:
        axes = value.type.tensor_type.shape.dim
        for place, axis in enumerate(axes):
            if value.name in weights or axis.HasField("dim_value"):
                continue
            if place:
                message = f"axis {place} of '{value.name}' may have any length; LiteRT needs it fixed"
                raise InvalidInput(message, field=f"contract.inputs.{value.name}")
            axis.dim_value, is_free = 1, True
    if is_free:
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
    graph.ClearField("value_info")
    return is_free


def _simplified(source: onnx.ModelProto, work: Path) -> onnx.ModelProto:
    """Constants folded, batch normalisation in its convolution, biases in their layer: all as ONNX Runtime does it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(work / "simplified.onnx")
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(source.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        raise InvalidInput(f"ONNX Runtime does not load the model for one row: {error}", field="model") from error
    simplified = onnx.load(work / "simplified.onnx")
    (work / "simplified.onnx").unlink()
    return simplified


def _observed(graph: onnx.GraphProto, source: onnx.ModelProto, work: Path) -> dict[str, npt.NDArray[Any]]:
    """Every value of the graph on one row of zeros: its shape and element type are what they really are."""
    probe = onnx.ModelProto()
    probe.CopyFrom(source)
    probe.graph.CopyFrom(graph)
    probe.graph.ClearField("value_info")
    del probe.graph.output[:]
    names = [name for node in graph.node for name in node.output if name]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    weights = {tensor.name for tensor in graph.initializer}
    feeds = {each.name: _zeros(each) for each in graph.input if each.name not in weights}
    return feeds | dict(zip(names, session.run(names, feeds), strict=True))


def _zeros(value: onnx.ValueInfoProto) -> npt.NDArray[Any]:
    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype not in TYPES:
        raise InvalidInput(f"'{value.name}' is {dtype}; the converter takes float32 and integers", field=value.name)
    return np.zeros([axis.dim_value for axis in kind.shape.dim], dtype)


def _input(lowering: Lowering, name: str) -> int:
    shape = lowering.shapes[name]
    tensor = lowering.new(name, shape)
    lowering.give(name, Value(tensor, shape))
    return tensor


def _output(lowering: Lowering, name: str) -> int:
    return lowering.plain(name).tensor
