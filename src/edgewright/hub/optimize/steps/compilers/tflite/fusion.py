"""Melts an activation into the layer before it, as TFLite's operators allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import onnx

HOSTS = frozenset({"Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "MaxPool", "AveragePool"})
"""Operators of which the TFLite form takes an activation."""

FUSED = "edgewright_activation"
"""The attribute by which a lowering learns of it: a name of the schema's ActivationFunctionType."""

RELU, RELU6 = "RELU", "RELU6"


class Fusion:
    """Finds a layer's only reader where that is an activation, and lets the layer give what it would."""

    def __init__(self, graph: onnx.GraphProto, constants: Mapping[str, npt.NDArray[Any]]) -> None:
        readers = Counter(name for node in graph.node for name in node.input)
        readers.update(value.name for value in graph.output)
        self._constants = constants
        found = [(node, kind) for node in graph.node if (kind := self._kind(node)) and readers[node.input[0]] == 1]
        after = {node.input[0]: (node.output[0], kind) for node, kind in found}
        self._activation_of = {
            node.output[0]: after[node.output[0]]
            for node in graph.node
            if node.op_type in HOSTS and node.output[0] in after
        }
        self._taken_over = {output for output, _ in self._activation_of.values()}

    def is_done(self, node: onnx.NodeProto) -> bool:
        """Whether its layer has taken it over."""
        return node.output[0] in self._taken_over

    def fused(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """The node, giving what its activation would, if it has one."""
        if node.output[0] not in self._activation_of:
            return node
        output, kind = self._activation_of[node.output[0]]
        fused = onnx.NodeProto()
        fused.CopyFrom(node)
        fused.output[0] = output
        fused.attribute.append(onnx.helper.make_attribute(FUSED, kind))
        return fused

    def _kind(self, node: onnx.NodeProto) -> str:
        """Which activation a node is; "" for none that melts."""
        if node.op_type == "Relu":
            return RELU
        bounds = [self._constants.get(name) for name in node.input[1:]]
        is_clip = node.op_type == "Clip" and len(bounds) == 2
        return RELU6 if is_clip and [float(b) for b in bounds if b is not None and b.size == 1] == [0.0, 6.0] else ""
