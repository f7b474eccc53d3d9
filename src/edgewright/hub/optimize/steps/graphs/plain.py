"""Reads and writes models plainly: nothing is kept that decides no answer, so that equal graphs are equal bytes.

An exporter's notes on each node cost a small network a tenth of its size, and the names and repeated zero points of
a quantised one as much again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from edgewright.contract.errors import InvalidInput

LEAST_IR_VERSION = 4
"""From here on, weights are no inputs unless they say so, and can be folded."""


def read(path: Path) -> onnx.ModelProto:
    """The model, its constants all among the initialisers. Raises InvalidInput for weights in other files."""
    model = onnx.load(path, load_external_data=False)
    for tensor in (tensor for graph in graphs(model.graph) for tensor in graph.initializer):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            message = f"tensor '{tensor.name}' lies in another file; steps take models in one file"
            raise InvalidInput(message, field="source")
    _lift_constants(model.graph)
    return model


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write only what decides the answers, and the names of nodes and tensors."""
    strip(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def strip(model: onnx.ModelProto) -> None:
    """Drop notes, provenance, inferred shapes, and the versions of operator sets that no node is of."""
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    for graph in graphs(model.graph):
        for field in ("doc_string", "metadata_props", "value_info", "quantization_annotation"):
            graph.ClearField(field)
        for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
            part.ClearField("doc_string")
            part.ClearField("metadata_props")
    _drop_unused_opsets(model)


def share_equals(model: onnx.ModelProto) -> None:
    """Keep one of initialisers that are equal, such as zero points."""
    graph = model.graph
    ports = {value.name for value in (*graph.input, *graph.output)}
    kept: dict[bytes, onnx.TensorProto] = {}
    same: dict[str, str] = {}
    for tensor in [each for each in graph.initializer if each.name not in ports]:
        unnamed = onnx.TensorProto()
        unnamed.CopyFrom(tensor)
        unnamed.ClearField("name")
        first = kept.setdefault(unnamed.SerializeToString(deterministic=True), tensor)
        if first is not tensor:
            same[tensor.name] = first.name
            graph.initializer.remove(tensor)
    rename(graph, same)


def shorten_names(model: onnx.ModelProto, keep: frozenset[str] = frozenset()) -> None:
    """Give tensors within the graph the names t0, t1 …, and take those of nodes but `keep`, which people look for."""
    ports = {value.name for value in (*model.graph.input, *model.graph.output)} | {""}
    short: dict[str, str] = {}
    for graph in graphs(model.graph):
        names = (name for node in graph.node for name in (*node.input, *node.output))
        within = (*(tensor.name for tensor in graph.initializer), *names, *(value.name for value in graph.output))
        for name in within:
            if name not in ports and name not in short:
                short[name] = _free_name(len(short), ports)
        for node in graph.node:
            if node.name not in keep:
                node.ClearField("name")
    rename(model.graph, short)


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Give tensors other names, wherever they are made or used."""
    for each in graphs(graph):
        for part in (*each.initializer, *each.input, *each.output, *each.value_info):
            part.name = names.get(part.name, part.name)
        for sparse in each.sparse_initializer:
            sparse.values.name = names.get(sparse.values.name, sparse.values.name)
        for node in each.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all those inside its nodes (branches, bodies of loops)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from graphs(inner)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Put every node behind those that it takes from, and change the order no more than that."""
    made = {name for node in graph.node for name in node.output}
    ready: set[str] = set()
    waiting, placed = list(graph.node), []
    while waiting:
        late = []
        for node in waiting:
            if (_takes(node) & made) <= ready:
                placed.append(node)
                ready.update(node.output)
            else:
                late.append(node)
        if len(late) == len(waiting):
            raise InvalidInput("the nodes of the graph take from one another in a circle", field="source")
        waiting = late
    del graph.node[:]
    graph.node.extend(placed)


def drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    """Make the weights of an old model constants: callers could overwrite them, so nothing could be folded."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, LEAST_IR_VERSION)


def _takes(node: onnx.NodeProto) -> set[str]:
    """What a node takes, what the graphs inside it take from around them included."""
    inner = (graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs))
    return {*node.input, *(name for graph in inner for each in graphs(graph) for n in each.node for name in n.input)}


def _lift_constants(graph: onnx.GraphProto) -> None:
    for node in [each for each in graph.node if each.op_type == "Constant"]:
        value = next((attribute for attribute in node.attribute if attribute.name == "value"), None)
        if value is not None and node.output[0] not in {output.name for output in graph.output}:
            tensor = graph.initializer.add()
            tensor.CopyFrom(value.t)
            tensor.name = node.output[0]
            graph.node.remove(node)


def _drop_unused_opsets(model: onnx.ModelProto) -> None:
    if model.functions:
        return
    used = {_domain(node.domain) for graph in graphs(model.graph) for node in graph.node} | {""}
    opsets = {_domain(opset.domain): opset.version for opset in model.opset_import if _domain(opset.domain) in used}
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items()))


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _free_name(place: int, taken: set[str]) -> str:
    name = f"t{place}"
    return name if name not in taken else f"{name}_"
