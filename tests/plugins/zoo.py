"""Small models of every kind that people register, with random weights, built in milliseconds from a seed.

Every model takes rows as apps pass them and gives 'scores'. The weights are drawn as layers are at the start of a
training (He), so that activations keep their size; nothing was learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

OPSET, IR_VERSION = 18, 10
ROWS = 96
CLASSES = 10


@dataclass(frozen=True)
class Kept:
    """A model, and rows that fit it."""

    name: str
    model: onnx.ModelProto
    rows: Mapping[str, np.ndarray]

    @property
    def contract(self) -> Contract:
        """What the hub would infer."""
        graph = self.model.graph
        return Contract(inputs=tuple(map(_spec, graph.input)), outputs=tuple(map(_spec, graph.output)))

    def save(self, folder: Path) -> Path:
        """The model as a file of `folder`."""
        path = folder / f"{self.name}.onnx"
        path.write_bytes(self.model.SerializeToString(deterministic=True))
        return path

    def save_rows(self, folder: Path) -> Path:
        """The rows as an npz of `folder`, as steps get them to calibrate on."""
        path = folder / f"{self.name}.npz"
        np.savez(path, **self.rows)
        return path


def digits_cnn(*, batch: int | None = None) -> Kept:
    """8 x 8 images, three convolutions, two dense layers: about 70 k parameters."""
    net = _Net(1)
    x = net.conv("x", 1, 16)
    x = net.conv(x, 16, 32)
    x = net.pool(x)
    x = net.conv(x, 32, 64)
    x = net.flat(net.pool(x), 256)
    x = net.add("Relu", net.dense(x, 256, 176))
    net.dense(x, 176, CLASSES, "scores")
    return net.made("digits_cnn", {"x": (batch, 1, 8, 8)}, {"scores": (batch, CLASSES)})


def resnet8(*, batch: int | None = None) -> Kept:
    """The residual network of MLPerf Tiny (78 k parameters) on 32 x 32 images."""
    net = _Net(2)
    x = net.conv("x", 3, 16)
    for width, channels in ((16, 16), (16, 32), (32, 64)):
        stride = 1 if width == channels else 2
        inner = net.conv(net.conv(x, width, channels, stride=stride), channels, channels, relu=False)
        short = x if stride == 1 else net.conv(x, width, channels, kernel=1, stride=2, relu=False)
        x = net.add("Relu", net.add("Add", inner, short))
    x = net.flat(net.add("GlobalAveragePool", x), 64)
    net.dense(x, 64, CLASSES, "scores")
    return net.made("resnet8", {"x": (batch, 3, 32, 32)}, {"scores": (batch, CLASSES)})


def conv1d(*, batch: int | None = None) -> Kept:
    """A sensor network: 3 channels of 128 samples."""
    net = _Net(3)
    x = net.conv("x", 3, 16, axes=1, kernel=5)
    x = net.conv(x, 16, 32, axes=1, kernel=5, stride=2)
    x = net.flat(net.add("GlobalAveragePool", x), 32)
    net.dense(x, 32, 6, "scores")
    return net.made("conv1d", {"x": (batch, 3, 128)}, {"scores": (batch, 6)})


def mlp(*, batch: int | None = None, hidden: int = 64) -> Kept:
    """Dense layers on 20 columns, written as MatMul and Add."""
    net = _Net(4)
    x = net.add("Relu", net.add("Add", net.add("MatMul", "x", net.weight(20, hidden)), net.bias(hidden)))
    x = net.add("Relu", net.add("Add", net.add("MatMul", x, net.weight(hidden, hidden)), net.bias(hidden)))
    x = net.add("Add", net.add("MatMul", x, net.weight(hidden, CLASSES)), net.bias(CLASSES))
    net.add("Softmax", x, gives="scores", axis=-1)
    return net.made("mlp", {"x": (batch, 20)}, {"scores": (batch, CLASSES)})


def forest() -> Kept:
    """A regression of four stumps."""
    net = _Net(5)
    trees, thresholds = range(4), net.random.normal(size=4).astype(np.float32)
    net.add(
        "TreeEnsembleRegressor", "x", gives="scores", domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=[t for t in trees for _ in range(3)], nodes_nodeids=[0, 1, 2] * 4,
        nodes_featureids=[v for t in trees for v in (t, 0, 0)], nodes_values=[v for t in thresholds for v in (t, 0, 0)],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 4, nodes_truenodeids=[1, 0, 0] * 4,
        nodes_falsenodeids=[2, 0, 0] * 4, target_treeids=[t for t in trees for _ in range(2)],
        target_nodeids=[1, 2] * 4, target_ids=[0] * 8, target_weights=[1.0, -1.0] * 4,
    )  # fmt: skip
    return net.made("forest", {"x": (None, 4)}, {"scores": (None, 1)})


def transformer(*, batch: int | None = None) -> Kept:
    """Token ids and a mask through an embedding, one block of attention and one of dense layers, to a mean vector."""
    width, tokens, words = 32, 12, 200
    net = _Net(6)
    x = net.add("Gather", net.weight(words, width, scale=1.0), "ids")
    query, key, value = (net.add("MatMul", x, net.weight(width, width)) for _ in range(3))
    scores = net.add("MatMul", query, net.add("Transpose", key, perm=[0, 2, 1]))
    scores = net.add("Mul", scores, net.constant(np.float32(width**-0.5)))
    mask = net.add("Cast", net.add("Unsqueeze", "mask", net.constant(np.array([1]))), to=TensorProto.FLOAT)
    away = net.add("Mul", net.add("Sub", net.constant(np.float32(1)), mask), net.constant(np.float32(-1e9)))
    seen = net.add("MatMul", net.add("Softmax", net.add("Add", scores, away), axis=-1), value)
    x = net.norm(net.add("Add", x, net.add("MatMul", seen, net.weight(width, width))), width)
    inner = net.add("Relu", net.add("Add", net.add("MatMul", x, net.weight(width, 4 * width)), net.bias(4 * width)))
    x = net.norm(net.add("Add", x, net.add("MatMul", inner, net.weight(4 * width, width))), width)
    net.add("ReduceMean", x, net.constant(np.array([1])), gives="scores", keepdims=0)
    shape = (batch, tokens)
    made = net.made("transformer", {"ids": shape, "mask": shape}, {"scores": (batch, width)}, TensorProto.INT64)
    rows = {
        "ids": net.random.integers(0, words, (ROWS, tokens)),
        "mask": (np.arange(tokens) < net.random.integers(4, tokens + 1, (ROWS, 1))).astype(np.int64),
    }
    return replace(made, rows=rows)


def two_inputs(*, batch: int | None = None) -> Kept:
    """An image and columns beside it."""
    net = _Net(7)
    image = net.flat(net.pool(net.conv("image", 1, 8)), 128)
    x = net.add("Concat", image, net.add("Relu", net.dense("columns", 5, 16)), axis=1)
    net.dense(x, 144, 4, "scores")
    return net.made("two_inputs", {"image": (batch, 1, 8, 8), "columns": (batch, 5)}, {"scores": (batch, 4)})


def shared_weights() -> Kept:
    """One matrix that two layers multiply by, once as it is and once transposed."""
    net = _Net(8)
    weights = net.weight(20, 32)
    x = net.add("Relu", net.add("MatMul", "x", weights))
    x = net.add("Relu", net.add("Gemm", x, weights, transB=1))
    net.add("MatMul", x, weights, gives="scores")
    return net.made("shared_weights", {"x": (None, 20)}, {"scores": (None, 32)})


def control_flow() -> Kept:
    """Two branches, chosen by the sum of the inputs, with weights of their own inside and shared ones outside."""
    net = _Net(9)
    outer = net.weight(20, 16)
    hidden = net.add("Relu", net.add("MatMul", "x", outer))
    is_positive = net.add("Greater", net.add("ReduceSum", "x", keepdims=0), net.constant(np.float32(0)))
    branches = [net.branch(name, hidden, net.random.normal(size=(16, 4)) / 4) for name in ("then", "else")]
    net.add("If", is_positive, gives="scores", then_branch=branches[0], else_branch=branches[1])
    return net.made("control_flow", {"x": (None, 20)}, {"scores": (None, 4)})


def with_weight(kept: Kept, value: float) -> Kept:
    """The same with one weight of the first layer set to `value`, such as NaN or infinity."""
    changed = onnx.ModelProto()
    changed.CopyFrom(kept.model)
    tensor = next(each for each in changed.graph.initializer if len(each.dims) >= 2)
    weights = numpy_helper.to_array(tensor).copy()
    weights.flat[0] = value
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    return replace(kept, name=f"{kept.name}_{value}", model=changed)


NETWORKS = (digits_cnn, resnet8, conv1d, mlp, transformer, two_inputs, shared_weights, control_flow)
FIXED = tuple((build, 4) for build in (digits_cnn, resnet8, conv1d, mlp, transformer, two_inputs))
"""Those that can be built for a fixed number of rows, and how many."""


class _Net:
    """A graph under construction."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, op: str, *takes: str, gives: str = "", **attributes: object) -> str:
        name = gives or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, takes, [name], name=f"{op.lower()}_{len(self._nodes)}", **attributes))
        return name

    def constant(self, value: np.ndarray | np.generic) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape: int, scale: float = 0.0) -> str:
        inputs = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        return self.constant((self.random.normal(size=shape) * (scale or (2 / inputs) ** 0.5)).astype(np.float32))

    def bias(self, size: int) -> str:
        return self.constant((self.random.normal(size=size) * 0.1).astype(np.float32))

    def conv(self, x: str, ins: int, outs: int, *, kernel: int = 3, stride: int = 1, relu: bool = True, axes: int = 2):
        weights, bias = self.weight(outs, ins, *[kernel] * axes), self.bias(outs)
        shape = {"kernel_shape": [kernel] * axes, "pads": [kernel // 2] * 2 * axes, "strides": [stride] * axes}
        x = self.add("Conv", x, weights, bias, **shape)
        return self.add("Relu", x) if relu else x

    def pool(self, x: str) -> str:
        return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def flat(self, x: str, size: int) -> str:
        return self.add("Reshape", x, self.constant(np.array([-1, size])))

    def dense(self, x: str, ins: int, outs: int, gives: str = "") -> str:
        return self.add("Gemm", x, self.weight(ins, outs), self.bias(outs), gives=gives)

    def norm(self, x: str, width: int) -> str:
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        return self.add("LayerNormalization", x, self.constant(ones), self.constant(zeros), axis=-1)

    def branch(self, name: str, takes: str, weights: np.ndarray) -> onnx.GraphProto:
        tensor = numpy_helper.from_array(weights.astype(np.float32), f"{name}_w")
        node = helper.make_node("MatMul", [takes, f"{name}_w"], [f"{name}_out"], name=f"{name}_matmul")
        return helper.make_graph([node], name, [], [_value(f"{name}_out", (None, weights.shape[1]))], [tensor])

    def made(
        self,
        name: str,
        takes: Mapping[str, tuple[int | None, ...]],
        gives: Mapping[str, tuple[int | None, ...]],
        kind: int = TensorProto.FLOAT,
    ) -> Kept:
        inputs = [_value(each, shape, kind) for each, shape in takes.items()]
        outputs = [_value(each, shape) for each, shape in gives.items()]
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        rows = {each: self.random.normal(size=(ROWS, *shape[1:])).astype(np.float32) for each, shape in takes.items()}
        return Kept(name, model, rows)


def _value(name: str, shape: tuple[int | None, ...], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [axis or "n" for axis in shape])


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = tuple(axis.dim_value or None for axis in tensor.shape.dim)
    dtype = {TensorProto.FLOAT: Dtype.FLOAT32, TensorProto.INT64: Dtype.INT64}[tensor.elem_type]
    return TensorSpec(name=value.name, dtype=dtype, shape=shape, kind=Kind.NUMERIC)
