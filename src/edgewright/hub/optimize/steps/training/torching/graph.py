"""An ONNX graph as those need it who walk through it: constants, shapes, and who makes and who takes a tensor."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps import NoParams, StepContext
from edgewright.hub.optimize.steps.graphs import plain
from edgewright.hub.optimize.steps.graphs.clean import Clean
from edgewright.hub.optimize.steps.graphs.layers import refuse_quantised

OPSET = 18

WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Graph:
    """A model and what can be known of it without running it.

    `constants` are the initializers and Constant nodes by name; `shapes` those of all tensors that shape inference
    knows, None for a free axis. `model` may be changed: a Graph is made anew after that.
    """

    model: onnx.ModelProto
    constants: dict[str, Array]
    shapes: dict[str, tuple[int | None, ...]]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model takes, in its order."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        return tuple(value.name for value in self.model.graph.input if value.name not in weights)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it gives."""
        return tuple(value.name for value in self.model.graph.output)

    @property
    def fixed_rows(self) -> int:
        """How many rows each call must have; 0 for any number."""
        firsts = {self.shapes[name][:1] for name in self.inputs}
        only = next(iter(firsts)) if len(firsts) == 1 else ()
        return only[0] or 0 if only else 0

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        """All of them, each after those that it takes from."""
        return tuple(self.model.graph.node)

    def maker(self, tensor: str) -> onnx.NodeProto | None:
        """The node that gives `tensor`; None for inputs and initializers."""
        return next((node for node in self.nodes if tensor in node.output), None)

    def takers(self, tensor: str) -> tuple[onnx.NodeProto, ...]:
        """The nodes that take it."""
        return tuple(node for node in self.nodes if tensor in node.input)

    def is_stored(self, tensor: str) -> bool:
        """Whether it is in the file, be it in eight bits."""
        maker = self.maker(tensor)
        is_rounded = maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in self.constants
        return tensor in self.constants or is_rounded

    def weighted(self) -> tuple[onnx.NodeProto, ...]:
        """The nodes that multiply by weights of their own."""
        return tuple(node for node in self.nodes if node.op_type in WEIGHTED and self.is_stored(node.input[1]))


def read(path: Path, context: StepContext) -> Graph:
    """The model at `path`, cleaned: batch normalisation folded into the weights, constants computed.

    Raises InvalidInput for a model that is no network of float32 numbers, or is quantised already.
    """
    refuse_quantised(plain.read(path), "training")
    with tempfile.TemporaryDirectory(dir=context.folder) as folder:
        cleaned = Clean().apply(path, NoParams(), StepContext(folder=Path(folder), calibration=None))
        return of(onnx.load(cleaned.path))


def look(path: Path) -> Graph:
    """Any model at `path`, as it is."""
    return _known(plain.read(path))


def of(model: onnx.ModelProto) -> Graph:
    """What `model` is; each weight becomes one layer's own, and a reshape to rows a Flatten. It may be quantised (QDQ).

    Raises InvalidInput for a model that is no network of float32 numbers.
    """
    _give_each_its_own(model.graph)
    graph = _known(model)
    _check(graph)
    if _flatten(graph):
        graph = _known(model)
    return graph


def lifted(graph: Graph) -> Graph:
    """The same in operator set OPSET at least, which parts that join it are written in. Raises InvalidInput."""
    version = next(opset.version for opset in graph.model.opset_import if opset.domain in ("", "ai.onnx"))
    if version >= OPSET:
        return graph
    try:
        return _known(onnx.version_converter.convert_version(graph.model, OPSET))
    except Exception as error:  # the converter raises RuntimeError, ConvertError and others
        said = f"the model is of opset {version}, and cannot be lifted to {OPSET}: {str(error)[:200]}"
        raise InvalidInput(said, field="source", hint="Export it again with a later opset.") from error


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write it plainly: the same bytes for the same model."""
    plain.share_equals(model)
    plain.write(model, path)
    return path


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name, as Python's numbers, texts and lists."""
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def label(node: onnx.NodeProto) -> str:
    """How people are told of it."""
    return f"{node.op_type} '{node.name or node.output[0]}'"


def _known(model: onnx.ModelProto) -> Graph:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*inferred.input, *inferred.output, *inferred.value_info]
    shapes = {value.name: _shape(value) for value in values if value.type.tensor_type.HasField("shape")}
    constants = dict(_constants(model.graph))
    return Graph(model, constants, shapes | {name: array.shape for name, array in constants.items()})


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    axes = value.type.tensor_type.shape.dim
    return tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in axes)


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, Array]]:
    for tensor in graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            yield node.output[0], numpy_helper.to_array(node.attribute[0].t)


def _check(graph: Graph) -> None:
    layers = graph.weighted()
    if not layers:
        named = ", ".join(sorted({node.op_type for node in graph.nodes})[:5])
        raise InvalidInput(f"the model is no network: it has no layer with weights (it has {named})", field="model")
    for node in layers:
        if node.input[1] in graph.constants and graph.constants[node.input[1]].dtype != np.float32:
            dtype = graph.constants[node.input[1]].dtype
            raise InvalidInput(f"the weights of {label(node)} are {dtype}: only float32 can be trained", field="model")


def _give_each_its_own(graph: onnx.GraphProto) -> None:
    """Copy what several layers share: exporters store equal tensors once, and training parts them."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    seen: set[str] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in seen and name in tensors and tensors[name].data_type == onnx.TensorProto.FLOAT:
                copy = graph.initializer.add()
                copy.CopyFrom(tensors[name])
                copy.name = node.input[place] = f"{name}/{node.output[0]}/{place}"
            seen.add(name)


def _flatten(graph: Graph) -> bool:
    """Turn a Reshape that lays each row of an image out flat into a Flatten, which fits any number of channels."""
    changed = False
    for node in graph.nodes:
        before, after = graph.shapes.get(node.input[0]) if node.input else None, graph.shapes.get(node.output[0])
        if node.op_type == "Reshape" and before and after and len(before) > 2 and len(after) == 2:
            if after[1] != _product(before[1:]):
                continue
            del node.input[1:], node.attribute[:]
            node.op_type = "Flatten"
            node.attribute.append(onnx.helper.make_attribute("axis", 1))
            changed = True
    return changed


def _product(axes: tuple[int | None, ...]) -> int | None:
    return None if None in axes else int(np.prod([axis or 1 for axis in axes]))
