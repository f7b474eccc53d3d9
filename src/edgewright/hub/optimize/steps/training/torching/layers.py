"""Layers with weights: from a node and its tensors to a torch module, and which tensor each parameter came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.training.torching.graph import Array, Graph, attributes, label


@dataclass(frozen=True)
class Rounding:
    """Scale and zero point of a tensor, or of each of its channels along `axis`; see ONNX's QuantizeLinear."""

    scale: Array
    zero: Array
    axis: int

    def rounded(self, array: Array) -> Array:
        """`array` in integers, halves to even."""
        limits = np.iinfo(self.zero.dtype)
        steps = np.round(array / self._along(self.scale, array)) + self._along(self.zero, array).astype(np.float64)
        written: Array = steps.clip(limits.min, limits.max).astype(self.zero.dtype)
        return written

    def real(self, array: Array) -> Array:
        """What integers stand for."""
        off = array.astype(np.float64) - self._along(self.zero, array)
        made: Array = (off * self._along(self.scale, array)).astype(np.float32)
        return made

    def _along(self, figures: Array, array: Array) -> Array:
        shape = [1] * array.ndim
        if figures.size > 1:
            shape[self.axis] = figures.size
        return figures.reshape(shape)


@dataclass(frozen=True)
class Source:
    """The ONNX tensor that a parameter came from; whether it lies transposed there, and how it is rounded."""

    tensor: str
    is_transposed: bool = False
    rounding: Rounding | None = None

    def written(self, parameter: Any) -> Array:
        """What the tensor becomes."""
        array: Array = parameter.detach().numpy()
        if self.rounding is not None:
            return self.rounding.rounded(array)
        return array.T.copy() if self.is_transposed else array.copy()


@dataclass(frozen=True)
class Layer:
    """A node as a torch module: its `sources` by name of the module's parameter or buffer.

    `pads` go around the input first, in torch's order: where they are not the same on both sides.
    """

    node: onnx.NodeProto
    module: Any
    sources: Mapping[str, Source]
    pads: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """As people know it."""
        return str(self.node.name or self.node.output[0])


def convolution(node: onnx.NodeProto, graph: Graph) -> Layer:
    """Conv over one or two axes, grouped or not."""
    weight = graph.constants[node.input[1]]
    given, axes = attributes(node), weight.ndim - 2
    if axes not in (1, 2):
        raise InvalidInput(f"{label(node)} runs over {axes} axes: one or two are known", field="model")
    group = given.get("group", 1)
    strides, dilations = given.get("strides", [1] * axes), given.get("dilations", [1] * axes)
    pads = _pads(node, graph, given, weight.shape[2:], strides, dilations)
    is_even = pads[:axes] == pads[axes:]
    module = (nn.Conv1d, nn.Conv2d)[axes - 1](
        weight.shape[1] * group,
        weight.shape[0],
        weight.shape[2:],
        tuple(strides),
        tuple(pads[:axes]) if is_even else 0,
        tuple(dilations),
        group,
        bias=_has(node, 2),
    )
    sources = {"weight": Source(node.input[1])} | ({"bias": Source(node.input[2])} if _has(node, 2) else {})
    around = tuple(pads[side] for axis in reversed(range(axes)) for side in (axis, axis + axes))
    return Layer(node, _filled(module, sources, graph), sources, () if is_even else around)


def linear(node: onnx.NodeProto, graph: Graph) -> Layer:
    """Gemm with weights that do not change."""
    given = attributes(node)
    if given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0 or given.get("transA", 0):
        said = f"{label(node)} scales or transposes (alpha, beta, transA), which is not known"
        raise InvalidInput(said, field="model")
    sources = {"weight": Source(node.input[1], is_transposed=not given.get("transB", 0))}
    sources |= {"bias": Source(node.input[2])} if _has(node, 2) else {}
    return _linear(node, graph, sources)


def product(node: onnx.NodeProto, graph: Graph) -> Layer:
    """MatMul with a matrix that does not change; its bias is added by a node of its own."""
    if graph.constants[node.input[1]].ndim != 2:
        raise InvalidInput(f"the weights of {label(node)} are no matrix", field="model")
    return _linear(node, graph, {"weight": Source(node.input[1], is_transposed=True)})


def addition(node: onnx.NodeProto, place: int, graph: Graph) -> Layer:
    """Add of a vector: a bias that trains. It is a parameter of a module of its own."""
    module = nn.Module()
    module.register_parameter("bias", nn.Parameter(_tensor(graph.constants[node.input[place]])))
    return Layer(node, module, {"bias": Source(node.input[place])})


def stored(node: onnx.NodeProto, graph: Graph) -> Layer:
    """DequantizeLinear of what is in the file: weights and biases that train as real numbers, and are rounded again."""
    steps, scale = graph.constants[node.input[0]], graph.constants[node.input[1]]
    zero = graph.constants[node.input[2]] if _has(node, 2) else np.zeros(scale.shape, steps.dtype)
    rounding = Rounding(scale, zero, attributes(node).get("axis", 1) if scale.size > 1 else 0)
    module = nn.Module()
    module.register_parameter("weight", nn.Parameter(_tensor(rounding.real(steps))))
    return Layer(node, module, {"weight": Source(node.input[0], rounding=rounding)})


def normalisation(node: onnx.NodeProto, graph: Graph) -> Layer:
    """BatchNormalization: its running figures are written back like its weights."""
    given = attributes(node)
    channels = len(graph.constants[node.input[1]])
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
    module = kinds[len(graph.shapes[node.input[0]])](channels, given.get("epsilon", 1e-5))
    names = ("weight", "bias", "running_mean", "running_var")
    sources = {name: Source(tensor) for name, tensor in zip(names, node.input[1:], strict=True)}
    return Layer(node, _filled(module, sources, graph), sources)


def layer_normalisation(node: onnx.NodeProto, graph: Graph) -> Layer:
    """LayerNormalization over the last axis."""
    given = attributes(node)
    if given.get("axis", -1) not in (-1, len(graph.shapes[node.input[0]]) - 1):
        raise InvalidInput(f"{label(node)} normalises more than the last axis, which is not known", field="model")
    length = len(graph.constants[node.input[1]])
    module = nn.LayerNorm(length, given.get("epsilon", 1e-5), bias=_has(node, 2))
    sources = {"weight": Source(node.input[1])} | ({"bias": Source(node.input[2])} if _has(node, 2) else {})
    return Layer(node, _filled(module, sources, graph), sources)


LAYERS: dict[str, Callable[[onnx.NodeProto, Graph], Layer]] = {
    "BatchNormalization": normalisation,
    "Conv": convolution,
    "Gemm": linear,
    "LayerNormalization": layer_normalisation,
    "MatMul": product,
}


def _linear(node: onnx.NodeProto, graph: Graph, sources: dict[str, Source]) -> Layer:
    weight = graph.constants[sources["weight"].tensor]
    out, taken = weight.shape[::-1] if sources["weight"].is_transposed else weight.shape
    return Layer(node, _filled(nn.Linear(taken, out, bias="bias" in sources), sources, graph), sources)


def _filled(module: Any, sources: Mapping[str, Source], graph: Graph) -> Any:
    with torch.no_grad():
        for name, source in sources.items():
            array = graph.constants[source.tensor]
            wanted = getattr(module, name)
            found = _tensor(array.T if source.is_transposed else array)
            wanted.copy_(found.reshape(wanted.shape) if found.numel() == wanted.numel() else found.expand(wanted.shape))
    return module


def _tensor(array: Array) -> Any:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _has(node: onnx.NodeProto, place: int) -> bool:
    return len(node.input) > place and bool(node.input[place])


def _pads(
    node: onnx.NodeProto, graph: Graph, given: dict[str, Any], kernel: Any, strides: Any, dilations: Any
) -> list[int]:
    """All beginnings, then all ends; see the ONNX specification of Conv, auto_pad."""
    kind, axes = given.get("auto_pad", "NOTSET"), len(kernel)
    if kind in ("NOTSET", "VALID"):
        return list(given.get("pads", [0] * 2 * axes)) if kind == "NOTSET" else [0] * 2 * axes
    lengths = graph.shapes.get(node.input[0], ())[2:]
    if None in lengths or len(lengths) != axes:
        raise InvalidInput(f"{label(node)} pads an input of unknown size (auto_pad {kind})", field="model")
    begins, ends = [], []
    for length, size, stride, dilation in zip(lengths, kernel, strides, dilations, strict=True):
        missing = max(0, ((length or 1) - 1) // stride * stride + (size - 1) * dilation + 1 - (length or 1))
        less, more = missing // 2, missing - missing // 2
        begins.append(less if kind == "SAME_UPPER" else more)
        ends.append(more if kind == "SAME_UPPER" else less)
    return begins + ends
