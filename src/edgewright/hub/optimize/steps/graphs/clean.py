"""Cleans the graph: constants folded, dead nodes dropped, neighbours fused, in standard operators only."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
import onnx
import onnxruntime
from onnx import numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Outcome
from edgewright.hub.optimize.steps import About, NoParams, StepContext
from edgewright.hub.optimize.steps.graphs import plain

PORTABLE_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MAX_GROWTH = 1.02
"""Folding may write out what a few nodes would compute, such as a large table: then the model stays as it was."""


class Clean:
    """ONNX Runtime's basic optimisations, which depend on no hardware, and what quantisers are helped by.

    Where they put in operators that only ONNX Runtime knows, or make the model larger, its graph is left as it was.
    """

    about: ClassVar = About(summary="constants folded, dead nodes dropped, neighbours fused, in standard operators")
    params: ClassVar[type[msgspec.Struct]] = NoParams

    def apply(self, model: Path, params: NoParams, context: StepContext) -> Outcome:
        """Optimise, and drop what decides no answer."""
        before = plain.read(model)
        plain.drop_weights_from_inputs(before)
        plain.strip(before)
        after = _optimise(before, context.folder)
        why = _why_left(before, after)
        kept = before if why else after
        _flatten_biases(kept.graph)
        _name_global_pools(kept)
        plain.share_equals(kept)
        path = context.folder / "clean.onnx"
        plain.write(kept, path)
        saved = model.stat().st_size - path.stat().st_size
        note = why or f"{len(before.graph.node)} nodes became {len(kept.graph.node)}"
        note += f"; {saved:,} bytes less, of notes and names above all" if saved > 0 else ""
        return Outcome(path=str(path), note=note)


def _optimise(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    source, path = folder / "source.onnx", folder / "optimised.onnx"
    source.write_bytes(model.SerializeToString(deterministic=True))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        message = f"ONNX Runtime does not load the model: {str(error).strip().splitlines()[0][:300]}"
        raise InvalidInput(message, field="source") from error
    optimised = onnx.load(path)
    optimised.ir_version = model.ir_version
    del optimised.opset_import[:]
    optimised.opset_import.extend(model.opset_import)
    return optimised


def _why_left(before: onnx.ModelProto, after: onnx.ModelProto) -> str:
    nodes = (node for graph in plain.graphs(after.graph) for node in graph.node)
    strange = next((node.op_type for node in nodes if node.domain not in PORTABLE_DOMAINS), "")
    if strange:
        known = {node.op_type for graph in plain.graphs(before.graph) for node in graph.node}
        return "" if strange in known else f"left as it was: {strange} would no longer be portable"
    plain.strip(after)
    grows = after.ByteSize() > before.ByteSize() * MAX_GROWTH
    return "left as it was: folding its constants would make it larger" if grows else ""


def _flatten_biases(graph: onnx.GraphProto) -> None:
    """Give Gemm biases of shape [1, N] the shape [N], which means the same; the quantiser knows no other."""
    biases = {node.input[2] for node in graph.node if node.op_type == "Gemm" and len(node.input) == 3}
    elsewhere = {
        name
        for inner in plain.graphs(graph)
        for node in inner.node
        for place, name in enumerate(node.input)
        if (node.op_type, place) != ("Gemm", 2)
    }
    for tensor in graph.initializer:
        if tensor.name in biases - elsewhere and len(tensor.dims) == 2 and tensor.dims[0] == 1:
            del tensor.dims[0]


def _name_global_pools(model: onnx.ModelProto) -> None:
    """Write the mean over both axes of images as GlobalAveragePool, which it is: runtimes have it in eight bits."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    means = [node for node in model.graph.node if node.op_type == "ReduceMean"]
    ranks = _ranks(model) if means else {}
    for node in means:
        if ranks.get(node.input[0]) == 4 and _axes(node, constants) in ({2, 3}, {-1, -2}) and _keeps_axes(node):
            node.op_type = "GlobalAveragePool"
            del node.input[1:]
            node.ClearField("attribute")
    used = {name for graph in plain.graphs(model.graph) for node in graph.node for name in node.input}
    used |= {value.name for value in model.graph.output}
    for tensor in [each for each in model.graph.initializer if each.name not in used]:
        model.graph.initializer.remove(tensor)


def _axes(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> set[int]:
    if len(node.input) > 1 and node.input[1] in constants:
        return set(numpy_helper.to_array(constants[node.input[1]]).reshape(-1).tolist())
    return {axis for attribute in node.attribute if attribute.name == "axes" for axis in attribute.ints}


def _keeps_axes(node: onnx.NodeProto) -> bool:
    return next((bool(attribute.i) for attribute in node.attribute if attribute.name == "keepdims"), True)


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """How many axes each tensor has, as far as it can be told."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {v.name: len(v.type.tensor_type.shape.dim) for v in values if v.type.tensor_type.HasField("shape")}
