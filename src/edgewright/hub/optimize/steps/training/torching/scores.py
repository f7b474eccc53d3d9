"""Where a network's own scores are, before softmax or a choice of class; and what follows them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnxruntime
from onnx import helper

from edgewright.hub.optimize.steps.training.torching.graph import Array, Graph

SHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Transpose"})
AVERAGING = frozenset({"GlobalAveragePool", "AveragePool", "ReduceMean", "GlobalMaxPool", "ReduceMax"})
WITH_CONSTANTS = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization", "QuantizeLinear", "DequantizeLinear"})


@dataclass(frozen=True)
class Tail:
    """What makes a model's `outputs` of the network's `scores`: nodes in order (perhaps none), and their tensors."""

    scores: str
    rank: int
    nodes: tuple[onnx.NodeProto, ...]
    tensors: tuple[onnx.TensorProto, ...]
    outputs: tuple[onnx.ValueInfoProto, ...]
    opsets: tuple[onnx.OperatorSetIdProto, ...]
    ir_version: int

    def answers(self, scores: Array) -> dict[str, Array]:
        """The outputs by name, but for one that is the scores themselves."""
        outputs = [value for value in self.outputs if value.name != self.scores]
        if not outputs:
            return {}
        taken = helper.make_tensor_value_info(self.scores, onnx.TensorProto.FLOAT, [None] * self.rank)
        graph = helper.make_graph(self.nodes, "tail", [taken], outputs, self.tensors)
        model = helper.make_model(graph, opset_imports=self.opsets, ir_version=self.ir_version)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in outputs]
        return dict(zip(names, session.run(names, {self.scores: scores}), strict=True))


def scores_of(graph: Graph) -> str:
    """The tensor that the last layer gives, after its bias and after averages and reshapes that follow it."""
    tensor = str(graph.weighted()[-1].output[0])
    while tensor not in graph.outputs and len(takers := graph.takers(tensor)) == 1:
        node = takers[0]
        others = [name for name in node.input if name and name != tensor]
        is_constant = all(graph.is_stored(name) for name in others)
        if node.op_type not in SHAPING | AVERAGING | WITH_CONSTANTS or not is_constant:
            break
        tensor = str(node.output[0])
    return tensor


def tail_of(graph: Graph, scores: str) -> Tail | None:
    """What follows `scores`; None where the outputs need more than them."""
    nodes = _between(graph, scores)
    if nodes is None:
        return None
    needed = {name for node in nodes for name in node.input}
    whole = graph.model
    return Tail(
        scores,
        len(graph.shapes[scores]),
        tuple(nodes),
        tuple(tensor for tensor in whole.graph.initializer if tensor.name in needed),
        tuple(whole.graph.output),
        tuple(whole.opset_import),
        whole.ir_version,
    )


def _between(graph: Graph, scores: str) -> list[onnx.NodeProto] | None:
    """The nodes that lead from `scores` to the outputs, in order."""
    wanted, found = set(graph.outputs) - {scores}, []
    for node in reversed(graph.nodes):
        if wanted.isdisjoint(node.output):
            continue
        found.append(node)
        wanted |= {name for name in node.input if name and name != scores}
    tensors = {tensor.name for tensor in graph.model.graph.initializer}
    return None if wanted & set(graph.inputs) - tensors else found[::-1]
