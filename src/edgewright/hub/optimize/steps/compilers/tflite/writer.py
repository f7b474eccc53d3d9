"""Writes a .tflite file: tensors, operators and one signature, in the words of LiteRT's own schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
VERSION = 3
ALIGNMENT_BYTES = 16
"""Of each buffer: what schema.fbs asks for, and the Python builder does not do by itself."""

LAST_OLD_CODE = 127
FREE = -1

TYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}

Array = npt.NDArray[Any]


class Writer:
    """One graph under construction. Tensors go by their number.

    With `has_free_rows` the first axis of inputs and outputs may have any length: it is written down as 1.
    """

    def __init__(self, *, has_free_rows: bool) -> None:
        self.has_free_rows = has_free_rows
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # the first is that of tensors without data
        self._codes: dict[int, int] = {}
        self._operators: list[Any] = []

    def tensor(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int]) -> int:
        """A tensor that is computed."""
        return self._add(name, dtype, shape, 0)

    def constant(self, name: str, value: Array | np.generic) -> int:
        """A tensor with data."""
        buffer = AlignedBuffer()
        buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._add(name, value.dtype, value.shape, len(self._buffers) - 1)

    def operator(self, name: str, takes: Sequence[int], gives: int, options: Any = None) -> None:
        """One operator by its name in the schema (CONV_2D), with its options object."""
        one = schema.OperatorT()
        one.opcodeIndex = self._codes.setdefault(getattr(schema.BuiltinOperator, name), len(self._codes))
        one.inputs, one.outputs = list(takes), [gives]
        if options is not None:
            one.builtinOptions = options
            one.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(one)

    def shape_of(self, tensor: int) -> tuple[int, ...]:
        """As it was given."""
        return tuple(self._tensors[tensor].shape)

    def dtype_of(self, tensor: int) -> np.dtype[Any]:
        """As it was given."""
        return next(dtype for dtype, kind in TYPES.items() if kind == self._tensors[tensor].type)

    def file(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """The whole file; the names are those of its signature."""
        for tensor in {*inputs.values(), *outputs.values()} if self.has_free_rows else ():
            one = self._tensors[tensor]
            one.shapeSignature = [FREE, *one.shape[1:]]
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs, signature.outputs = _maps(inputs), _maps(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = VERSION, [graph], self._buffers
        model.operatorCodes = [_code(code) for code in self._codes]
        model.signatureDefs = [signature]
        return pack(model)

    def _add(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int], buffer: int) -> int:
        one = schema.TensorT()
        one.name, one.type, one.buffer = name, TYPES[np.dtype(dtype)], buffer
        one.shape = [int(axis) for axis in shape]
        self._tensors.append(one)
        return len(self._tensors) - 1


class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data begins at a multiple of ALIGNMENT_BYTES."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (the schema's name)
        """Write it, the data first."""
        size = 0 if self.data is None else len(self.data)
        if size:
            builder.StartVector(1, size, ALIGNMENT_BYTES)
            builder.head -= size
            builder.Bytes[builder.head : builder.head + size] = bytes(self.data)
            data = builder.EndVector()
        schema.BufferStart(builder)
        if size:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def pack(model: Any) -> bytes:
    """The bytes of a model object; the same object gives the same bytes."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class SharedQuantisation(schema.QuantizationParametersT):  # type: ignore[misc]
    """Scales and zero points, of which equal ones are written once: 8 bytes for each channel of each tensor saved."""

    def __init__(self, written: dict[bytes, Any], quantisation: Any) -> None:
        super().__init__()
        self.scale, self.zeroPoint = quantisation.scale, quantisation.zeroPoint
        self.quantizedDimension = quantisation.quantizedDimension
        self._written = written

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (the schema's name)
        """Write it, the vectors first."""
        scale, zero_point = self._vector(builder, self.scale, "<f4"), self._vector(builder, self.zeroPoint, "<i8")
        schema.QuantizationParametersStart(builder)
        schema.QuantizationParametersAddScale(builder, scale)
        schema.QuantizationParametersAddZeroPoint(builder, zero_point)
        schema.QuantizationParametersAddQuantizedDimension(builder, self.quantizedDimension)
        return schema.QuantizationParametersEnd(builder)

    def _vector(self, builder: Any, values: Sequence[float], form: str) -> Any:
        array = np.asarray(values, form)
        key = form.encode() + array.tobytes()
        if key not in self._written:
            self._written[key] = builder.CreateNumpyVector(array)
        return self._written[key]


def settled(data: bytes) -> bytes:
    """The same model without what decides no answer: metadata, and names of inner tensors; each buffer aligned."""
    model = schema.ModelT.InitFromPackedBuf(data)
    model.description, model.metadata, model.metadataBuffer = None, None, None
    for place, buffer in enumerate(model.buffers):
        aligned = AlignedBuffer()
        aligned.data = buffer.data
        model.buffers[place] = aligned
    written: dict[bytes, Any] = {}
    for graph in model.subgraphs:
        ports = {*graph.inputs, *graph.outputs}
        for number, tensor in enumerate(graph.tensors):
            tensor.name = tensor.name if number in ports else None
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                tensor.quantization = SharedQuantisation(written, tensor.quantization)
    return pack(model)


def _code(code: int) -> Any:
    one = schema.OperatorCodeT()
    one.builtinCode, one.deprecatedBuiltinCode, one.version = code, min(code, LAST_OLD_CODE), 1
    return one


def _maps(ports: Mapping[str, int]) -> list[Any]:
    found = []
    for name, tensor in ports.items():
        one = schema.TensorMapT()
        one.name, one.tensorIndex = name, tensor
        found.append(one)
    return found
