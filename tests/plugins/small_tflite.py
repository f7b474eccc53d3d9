"""The small models as .tflite files, built from LiteRT's own schema, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from plugins.small_models import (
    BYTES,
    IMAGES,
    KERNEL,
    SMALL_WEIGHTS,
    W_SCALE,
    WEIGHTS,
    X_SCALE,
    X_ZERO,
    Y_SCALE,
    Y_ZERO,
    Small,
    X,
    filtered,
    quantised,
    scores,
)

FLOAT, INT8, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT32
FREE = -1


class Graph:
    """One operator with its tensors."""

    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.buffers = [schema.BufferT()]

    def tensor(
        self, name: str, kind: int, shape: Sequence[int], data: np.ndarray | None = None, scale: float = 0.0, zero=0
    ) -> int:
        """Add a tensor; its number."""
        one = schema.TensorT()
        one.name, one.type = name, kind
        one.shape, one.shapeSignature = [max(1, axis) for axis in shape], list(shape)
        one.buffer = 0 if data is None else self._buffer(data)
        if scale:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale], [zero]
        self.tensors.append(one)
        return len(self.tensors) - 1

    def file(self, code: int, options: object, feeds: Sequence[int], result: int, signature: dict[str, str]) -> bytes:
        """The .tflite file; `signature` names the tensors 0 and `result` (none: it has no signature)."""
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = list(feeds), [result]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        graph = schema.SubGraphT()
        graph.tensors, graph.inputs, graph.outputs, graph.operators = self.tensors, [0], [result], [operator]
        kind = schema.OperatorCodeT()
        kind.builtinCode = kind.deprecatedBuiltinCode = code
        kind.version = 4 if self.tensors[0].type == INT8 else 1
        model = schema.ModelT()
        model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [kind], self.buffers
        if signature:
            model.signatureDefs = [_signature(signature["in"], signature["out"], result)]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, data: np.ndarray) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1


def tflite_linear(batch: int = FREE, *, has_signature: bool = True) -> Small:
    graph = Graph()
    x = graph.tensor("serving_default_x:0", FLOAT, (batch, 4))
    w = graph.tensor("w", FLOAT, (3, 4), WEIGHTS.T)
    y = graph.tensor("StatefulPartitionedCall:0", FLOAT, (batch, 3))
    names = {"in": "x", "out": "scores"} if has_signature else {}
    data = graph.file(schema.BuiltinOperator.FULLY_CONNECTED, schema.FullyConnectedOptionsT(), [x, w, -1], y, names)
    feed, answer = ("x", "scores") if has_signature else ("serving_default_x:0", "StatefulPartitionedCall:0")
    return Small(data, {feed: X}, {answer: scores()}, {feed: np.zeros((5, 7), np.float32)})


def tflite_convolution() -> Small:
    graph = Graph()
    x = graph.tensor("x", FLOAT, (FREE, 6, 6, 1))
    k = graph.tensor("k", FLOAT, (1, 3, 3, 1), KERNEL[None, :, :, None])
    b = graph.tensor("b", FLOAT, (1,), np.zeros(1, np.float32))
    y = graph.tensor("y", FLOAT, (FREE, 4, 4, 1))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    data = graph.file(schema.BuiltinOperator.CONV_2D, options, [x, k, b], y, {"in": "x", "out": "y"})
    feeds, outputs = {"x": IMAGES[..., None]}, {"y": filtered()[..., None]}
    return Small(data, feeds, outputs, {"x": np.zeros((2, 6, 6), np.float32)})


def tflite_int8() -> Small:
    graph = Graph()
    x = graph.tensor("x", INT8, (FREE, 4), scale=X_SCALE, zero=X_ZERO)
    w = graph.tensor("w", INT8, (3, 4), SMALL_WEIGHTS.T, scale=W_SCALE)
    b = graph.tensor("b", INT32, (3,), np.zeros(3, np.int32), scale=X_SCALE * W_SCALE)
    y = graph.tensor("y", INT8, (FREE, 3), scale=Y_SCALE, zero=Y_ZERO)
    options = schema.FullyConnectedOptionsT()
    data = graph.file(schema.BuiltinOperator.FULLY_CONNECTED, options, [x, w, b], y, {"in": "x", "out": "y"})
    return Small(data, {"x": BYTES}, {"y": quantised()}, {"x": np.zeros((5, 4), np.float32)}, atol=1.0)


def _signature(feed: str, answer: str, result: int) -> schema.SignatureDefT:
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs, signature.outputs = [_named(feed, 0)], [_named(answer, result)]
    return signature


def _named(name: str, number: int) -> schema.TensorMapT:
    one = schema.TensorMapT()
    one.name, one.tensorIndex = name, number
    return one
