"""What of a graph steps work on: the layers, which are nodes that multiply by stored weights, and these weights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.graphs.plain import graphs

WEIGHT_INPUTS = {"MatMul": (0, 1), "Gemm": (0, 1), "Conv": (1,), "ConvTranspose": (1,)}
FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})
QUANTISED = (
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger",
)  # fmt: skip
MIN_TABLE = 4096
"""Numbers of an embedding table that is worth eight bits: of MiniLM's 22.7 million weights, 11.7 are one table."""

FINITE_HINT = "The training diverged: train again, e.g. with a smaller learning rate."


def layers(graph: onnx.GraphProto, op_types: Iterable[str]) -> list[onnx.NodeProto]:
    """Nodes of these types that multiply by weights of the file, in its order; not those inside branches and loops."""
    weights = {tensor.name for tensor in graph.initializer if tensor.data_type in FLOATS}
    return [node for node in graph.node if node.op_type in op_types and weights & set(_factors(node))]


def lookups(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that look rows up in a large table of floats, which embeds words or categories."""
    large = {t.name for t in graph.initializer if t.data_type in FLOATS and len(t.dims) == 2 and _size(t) >= MIN_TABLE}
    return [node for node in graph.node if node.op_type == "Gather" and node.input[0] in large]


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The floating point tensors of two axes or more that layers multiply by, in the file's order, each once."""
    everywhere = list(graphs(model.graph))
    used = {name for graph in everywhere for node in graph.node for name in _factors(node)}
    return [
        tensor
        for graph in everywhere
        for tensor in graph.initializer
        if tensor.name in used and tensor.data_type in FLOATS and len(tensor.dims) >= 2
    ]


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give every node a name of its own, as quantisers want, and leave good ones as they are."""
    taken: set[str] = set()
    for place, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type.lower()}_{place}"
        taken.add(node.name)


def refuse_quantised(model: onnx.ModelProto, step: str) -> None:
    """Raise InvalidInput if something quantised the model before."""
    for graph in graphs(model.graph):
        for node in graph.node:
            if node.op_type in QUANTISED or node.op_type.startswith("QLinear"):
                where = f"{node.op_type} '{node.name or node.output[0]}'"
                message = f"{step} takes models of floats, and this one is quantised already: it has {where}"
                raise InvalidInput(message, field=f"recipe.{step}", hint="Take one step that quantises in a recipe.")


def refuse_infinite(tensors: Iterable[onnx.TensorProto], step: str) -> None:
    """Raise InvalidInput for weights that are not finite: no scale fits them."""
    for tensor in tensors:
        if not np.isfinite(numpy_helper.to_array(tensor)).all():
            message = f"{step}: tensor '{tensor.name}' holds numbers that are not finite"
            raise InvalidInput(message, field="source", hint=FINITE_HINT)


def _factors(node: onnx.NodeProto) -> list[str]:
    return [node.input[place] for place in WEIGHT_INPUTS.get(node.op_type, ()) if place < len(node.input)]


def _size(tensor: onnx.TensorProto) -> int:
    return int(np.prod(tensor.dims))
