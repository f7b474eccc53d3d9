"""Melts an activation into the layer before it, as TFLite's operators allow."""

from __future__ import annotations

from collections import Counter

import onnx

HOSTS = frozenset({"Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "MaxPool", "AveragePool"})
"""Operators of which the TFLite form takes an activation."""

FUSED = "edgewright_activation"
"""The attribute by which a lowering learns of it."""


class Fusion:
    """Finds a layer's only reader where that is a Relu, and lets the layer give what the Relu would."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        readers = Counter(name for node in graph.node for name in node.input)
        readers.update(value.name for value in graph.output)
        relus = {node.input[0]: node for node in graph.node if node.op_type == "Relu" and readers[node.input[0]] == 1}
        hosts = [node for node in graph.node if node.op_type in HOSTS and node.output[0] in relus]
        self._relu_of = {node.output[0]: relus[node.output[0]].output[0] for node in hosts}
        self._taken_over = set(self._relu_of.values())

    def is_done(self, node: onnx.NodeProto) -> bool:
        """Whether its layer has taken it over."""
        return node.output[0] in self._taken_over and node.op_type == "Relu"

    def fused(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """The node, giving what its Relu would, if it has one."""
        relu = self._relu_of.get(node.output[0])
        if relu is None:
            return node
        fused = onnx.NodeProto()
        fused.CopyFrom(node)
        fused.output[0] = relu
        fused.attribute.append(onnx.helper.make_attribute(FUSED, 1))
        return fused
