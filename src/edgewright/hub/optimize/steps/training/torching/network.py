"""An ONNX graph as a torch.fx module, and its trained weights back in the graph."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import fx, nn
from torch.nn import functional

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.training.torching.graph import Array, Graph, attributes, label
from edgewright.hub.optimize.steps.training.torching.layers import LAYERS, Layer, addition, stored
from edgewright.hub.optimize.steps.training.torching.operators import OPERATORS, Function, Operator, rounded

Keywords = dict[str, Any]

EXAMPLE = "example"
EXAMPLE_LENGTH = 2
"""Of free axes, in the rows that a network is tried on while it is built."""


@dataclass(frozen=True)
class Network:
    """`module` takes the model's inputs in `inputs`' order, any number of rows, and gives one tensor.

    `layers` are those with weights, by the name of their module inside it, from input to output.
    """

    module: Any
    inputs: tuple[str, ...]
    layers: Mapping[str, Layer]


def network(graph: Graph, until: str, since: str = "") -> Network:
    """What computes the tensor `until` of `graph`, of its inputs or of its float32 tensor `since`, ready to train.

    Raises InvalidInput that names the operator or attribute that it does not know.
    """
    builder = _Builder(graph)
    builder.build(until, since)
    module = fx.GraphModule(builder.modules, builder.made)
    return Network(module, builder.inputs, builder.layers)


def write_back(graph: Graph, trained: Network) -> onnx.ModelProto:
    """`graph`'s model with the weights of `trained`, which may have other shapes by now, and groups to match."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.output[0]: node for node in model.graph.node}
    for layer in trained.layers.values():
        for name, source in layer.sources.items():
            array = source.written(getattr(layer.module, name))
            tensors[source.tensor].CopyFrom(numpy_helper.from_array(array, source.tensor))
        if hasattr(layer.module, "groups"):
            _regroup(nodes[layer.node.output[0]], layer.module.groups)
    del model.graph.value_info[:]
    return model


class _Builder:
    """Walks the graph from its inputs to one tensor, and writes the same in torch.fx."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.made = fx.Graph()
        self.modules = nn.Module()
        self.layers: dict[str, Layer] = {}
        self.inputs: tuple[str, ...] = ()
        self._values: dict[str, Any] = {}

    def build(self, until: str, since: str) -> None:
        nodes = _needed(self._graph, until, since)
        _check_known(nodes)
        taken = {name for node in nodes for name in node.input}
        self.inputs = tuple(name for name in (*self._graph.inputs, since) if name in taken)
        for place, name in enumerate(self.inputs):
            self._values[name] = self._known(self.made.placeholder(f"x{place}"), self._example(name))
        for node in nodes:
            self._add(node)
        self.made.output(self._values[until])

    def _add(self, node: onnx.NodeProto) -> None:
        if (layer := self._layer(node)) is not None:
            self._values[node.output[0]] = self._layered(layer)
        else:
            self._call(node, OPERATORS[node.op_type])

    def _layer(self, node: onnx.NodeProto) -> Layer | None:
        if node.op_type == "DequantizeLinear" and node.input[0] in self._graph.constants:
            return stored(node, self._graph)
        if node.op_type in LAYERS and len(node.input) > 1 and node.input[1] in self._graph.constants:
            return LAYERS[node.op_type](node, self._graph)
        place = next((place for place in range(len(node.input)) if self._is_bias(node, place)), None)
        return None if place is None else addition(node, place, self._graph)

    def _is_bias(self, node: onnx.NodeProto, place: int) -> bool:
        """Whether that input is a vector of the node's own, added to a product with weights."""
        vector = self._graph.constants.get(node.input[place])
        if node.op_type != "Add" or vector is None or vector.ndim != 1 or vector.dtype.kind != "f":
            return False
        maker = self._graph.maker(node.input[1 - place])
        is_own = len(self._graph.takers(node.input[place])) == 1
        return is_own and maker is not None and maker.op_type == "MatMul" and maker.input[1] in self._graph.constants

    def _layered(self, layer: Layer) -> Any:
        name = f"layer{len(self.layers)}"
        self.modules.add_module(name, layer.module)
        self.layers[name] = layer
        if layer.node.op_type == "Add":
            other = next(value for value in layer.node.input if value != layer.sources["bias"].tensor)
            bias = self._known(self.made.get_attr(f"{name}.bias"), layer.module.bias)
            return self._called(layer.node, torch.add, (self._value(other), bias), {})
        if layer.node.op_type == "DequantizeLinear":
            return self._rounded(name, layer)
        taken = self._value(layer.node.input[0])
        if layer.pads:
            taken = self._called(layer.node, functional.pad, (taken, list(layer.pads)), {})
        made = self.made.call_module(name, (taken,))
        return self._known(made, layer.module.eval()(taken.meta[EXAMPLE]))

    def _rounded(self, name: str, layer: Layer) -> Any:
        """Stored weights as they are after rounding; biases, of 32 bits, need none."""
        weight = self._known(self.made.get_attr(f"{name}.weight"), layer.module.weight)
        rounding = layer.sources["weight"].rounding
        if rounding is None or rounding.zero.dtype.itemsize > 1:
            return weight
        figures = (self._value(layer.node.input[1]), self._zero(name, rounding.zero))
        keywords = _limits(rounding.zero.dtype) | {"axis": rounding.axis}
        return self._called(layer.node, rounded, (weight, *figures), keywords)

    def _zero(self, name: str, zero: Array) -> Any:
        """A zero point as torch wants it."""
        example = torch.from_numpy(zero.astype(np.int32))
        self.modules.register_buffer(f"{name}_zero", example)
        return self._known(self.made.get_attr(f"{name}_zero"), example)

    def _call(self, node: onnx.NodeProto, operator: Operator) -> None:
        keywords = {name: _frozen(value) for name, value in attributes(node).items()}
        places = dict(operator.known)
        for place, keyword in places.items():
            if place < len(node.input) and node.input[place]:
                keywords[keyword] = self._integers(node, place)
        if node.op_type == "Reshape":
            keywords = {"shape": self._rows_free(node, keywords["shape"])}
        if node.op_type == "QuantizeLinear":
            given_zero = self._graph.constants[node.input[2]]
            zero = self._zero(f"layer{len(self._values)}", given_zero)
            taken = (self._value(node.input[0]), self._value(node.input[1]), zero)
            self._values[node.output[0]] = self._called(node, rounded, taken, _limits(given_zero.dtype))
            return
        if node.op_type == "Split":
            keywords.setdefault("num_outputs", len(node.output))
        _check_keywords(node, operator, keywords)
        given = tuple(
            self._value(name) if name else None for place, name in enumerate(node.input) if place not in places
        )
        made = self._called(node, operator.function, given, keywords)
        self._values[node.output[0]] = made
        if node.op_type == "Split":
            for place, name in enumerate(node.output):
                self._values[name] = self._called(node, _part, (made, place), {})

    def _called(
        self, node: onnx.NodeProto, function: Function, given: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """The call in torch.fx, tried at once on a few rows, so that what does not work is told of its node."""
        examples = fx.node.map_arg(given, lambda value: value.meta[EXAMPLE])
        try:
            example = function(*examples, **keywords)
        except (ValueError, RuntimeError, IndexError, TypeError) as error:
            told = str(error).splitlines()[0]
            raise InvalidInput(f"{label(node)} is not known to training in this form: {told}", field="model") from error
        return self._known(self.made.call_function(function, given, keywords), example)

    def _known(self, made: Any, example: Any) -> Any:
        made.meta[EXAMPLE] = example
        return made

    def _example(self, name: str) -> Any:
        shape = [axis or EXAMPLE_LENGTH for axis in self._graph.shapes[name]]
        value = next((value for value in self._graph.model.graph.input if value.name == name), None)
        kind = onnx.TensorProto.FLOAT if value is None else value.type.tensor_type.elem_type
        return torch.from_numpy(np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(kind)))

    def _value(self, name: str) -> Any:
        if name not in self._values:
            constant = self._graph.constants[name]
            attribute = f"constant{len(self._values)}"
            example = torch.from_numpy(constant.copy())
            self.modules.register_buffer(attribute, example)
            self._values[name] = self._known(self.made.get_attr(attribute), example)
        return self._values[name]

    def _integers(self, node: onnx.NodeProto, place: int) -> tuple[int, ...]:
        constant = self._graph.constants.get(node.input[place])
        if constant is not None:
            return tuple(int(value) for value in constant.reshape(-1))
        shape = self._graph.shapes.get(node.output[0], (None, None))
        if node.op_type != "Reshape" or sum(axis is None for axis in shape) > 1:
            raise InvalidInput(f"{label(node)} computes its own shape, which training cannot follow", field="model")
        return tuple(-1 if axis is None else axis for axis in shape)

    def _rows_free(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape, with the first axis free where the graph fixes the number of rows."""
        made = self._graph.shapes.get(node.output[0], (None,))
        if self._graph.fixed_rows and None not in made and len(made) > 1:
            return (-1, *(axis or 0 for axis in made[1:]))
        return shape


def _needed(graph: Graph, until: str, since: str) -> list[onnx.NodeProto]:
    """The nodes that `until` needs beside `since`, in order: not those that only compute shapes."""
    wanted, found = {until}, []
    for node in reversed(graph.nodes):
        if wanted.isdisjoint(node.output) or node.op_type == "Constant":
            continue
        found.append(node)
        places = dict(OPERATORS[node.op_type].known) if node.op_type in OPERATORS else {}
        wanted |= {name for place, name in enumerate(node.input) if name not in ("", since) and place not in places}
    return found[::-1]


def _check_known(nodes: list[onnx.NodeProto]) -> None:
    unknown = [n for n in nodes if n.op_type not in OPERATORS | LAYERS or n.domain not in ("", "ai.onnx")]
    if unknown:
        told = ", ".join(sorted({node.op_type for node in unknown}))
        hint = f"Known: {', '.join(sorted(OPERATORS | LAYERS))}."
        raise InvalidInput(f"training does not know {told} (first in {label(unknown[0])})", field="model", hint=hint)


def _check_keywords(node: onnx.NodeProto, operator: Operator, keywords: dict[str, Any]) -> None:
    known: list[inspect.Parameter] = []
    with contextlib.suppress(ValueError):  # torch's own functions tell nothing; they take no attribute here
        known = list(inspect.signature(operator.function).parameters.values())
    names = {each.name for each in known if each.kind is each.KEYWORD_ONLY}
    unknown = [] if any(each.kind is each.VAR_KEYWORD for each in known) else sorted(set(keywords) - names)
    if unknown:
        raise InvalidInput(f"attribute '{unknown[0]}' of {label(node)} is not known to training", field="model")


def _limits(dtype: np.dtype[Any]) -> Keywords:
    limits = np.iinfo(dtype)
    return {"low": limits.min, "high": limits.max}


def _part(parts: Any, place: int) -> Any:
    return parts[place]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _regroup(node: onnx.NodeProto, groups: int) -> None:
    for attribute in node.attribute:
        if attribute.name == "group":
            attribute.i = groups
