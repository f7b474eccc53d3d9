"""Small models with known answers, written as ONNX and as .tflite files: a linear one, a convolution, one in int8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(5, 4)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(4, 3)).astype(np.float32)
IMAGES = RANDOM.normal(size=(2, 6, 6)).astype(np.float32)
KERNEL = RANDOM.normal(size=(3, 3)).astype(np.float32)
BYTES = RANDOM.integers(-128, 128, size=(5, 4)).astype(np.int8)
SMALL_WEIGHTS = RANDOM.integers(-127, 128, size=(4, 3)).astype(np.int8)
X_SCALE, X_ZERO, W_SCALE, Y_SCALE, Y_ZERO = 0.05, 3, 0.01, 0.07, -5


@dataclass(frozen=True)
class Small:
    """A model's bytes, a request with its answers, and a request that does not fit."""

    data: bytes
    feeds: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    misfits: Mapping[str, np.ndarray]
    atol: float = 1e-5


def scores() -> np.ndarray:
    return X @ WEIGHTS


def filtered() -> np.ndarray:
    """IMAGES with KERNEL over all places where it lies inside."""
    views = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), axis=(1, 2))
    return np.asarray(np.einsum("nhwij,ij->nhw", views, KERNEL), np.float32)


def quantised() -> np.ndarray:
    real = (BYTES.astype(np.float64) - X_ZERO) * X_SCALE @ (SMALL_WEIGHTS * W_SCALE)
    return np.clip(np.round(real / Y_SCALE) + Y_ZERO, -128, 127).astype(np.int8)


def onnx_linear() -> Small:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    outputs = {"scores": scores(), "label": scores().argmax(axis=1)}
    data = _onnx(nodes, {"x": (TensorProto.FLOAT, [None, 4])}, _shapes(outputs), {"w": WEIGHTS})
    return Small(data, {"x": X}, outputs, {"x": np.zeros((5, 7), np.float32)})


def onnx_convolution() -> Small:
    nodes = [helper.make_node("Conv", ["x", "k"], ["y"], kernel_shape=[3, 3])]
    feeds, outputs = {"x": IMAGES[:, None]}, {"y": filtered()[:, None]}
    data = _onnx(
        nodes, {"x": (TensorProto.FLOAT, [None, 1, 6, 6])}, {"y": (TensorProto.FLOAT, [None, 1, 4, 4])},
        {"k": KERNEL[None, None]},
    )  # fmt: skip
    return Small(data, feeds, outputs, {"x": np.zeros((2, 6, 6), np.float32)})


def onnx_int8() -> Small:
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"]),
        helper.make_node("MatMul", ["xf", "wf"], ["yf"]),
        helper.make_node("QuantizeLinear", ["yf", "ys", "yz"], ["y"]),
    ]
    constants = {"w": SMALL_WEIGHTS, "xs": np.float32(X_SCALE), "xz": np.int8(X_ZERO), "ws": np.float32(W_SCALE)}
    constants |= {"wz": np.int8(0), "ys": np.float32(Y_SCALE), "yz": np.int8(Y_ZERO)}
    ports = ({"x": (TensorProto.INT8, [None, 4])}, {"y": (TensorProto.INT8, [None, 3])})
    data = _onnx(nodes, *ports, constants)
    return Small(data, {"x": BYTES}, {"y": quantised()}, {"x": np.zeros((5, 4), np.float32)}, atol=1.0)


def onnx_strings() -> Small:
    text = np.array([["warm"], ["cold"]], dtype=object)
    nodes = [
        helper.make_node(
            "LabelEncoder", ["t"], ["n"], domain="ai.onnx.ml", keys_strings=["cold", "warm"], values_int64s=[1, 2]
        )
    ]
    data = _onnx(nodes, {"t": (TensorProto.STRING, [None, 1])}, {"n": (TensorProto.INT64, [None, 1])}, {})
    return Small(data, {"t": text}, {"n": np.array([[2], [1]])}, {"t": np.zeros((2, 1), np.float32)})


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, list[int | None]]]:
    return {
        name: (helper.np_dtype_to_tensor_dtype(array.dtype), [None, *array.shape[1:]]) for name, array in arrays.items()
    }


def _onnx(nodes, inputs, outputs, constants) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 2)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
