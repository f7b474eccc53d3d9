"""Finds the tensors in ONNX and safetensors files by walking their bytes; whatever is neither has none."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from edgewright.contract.delta.elements import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    Element,
)

MIN_TENSOR_BYTES = 32

_SAFETENSORS = {
    "F32": FLOAT32,
    "F16": FLOAT16,
    "BF16": BFLOAT16,
    "F64": FLOAT64,
    **dict.fromkeys(("I8", "U8", "BOOL"), INT8),
    **dict.fromkeys(("I16", "U16"), INT16),
    **dict.fromkeys(("I32", "U32"), INT32),
    **dict.fromkeys(("I64", "U64"), INT64),
}
_ONNX = {  # TensorProto.DataType
    1: FLOAT32, 2: INT8, 3: INT8, 4: INT16, 5: INT16, 6: INT32, 7: INT64, 9: INT8, 10: FLOAT16, 11: FLOAT64,
    12: INT32, 13: INT64, 16: BFLOAT16,
}  # fmt: skip
_TYPED_DATA = {4: FLOAT32, 10: FLOAT64}  # packed float_data and double_data; raw_data is field 9 for every type
_MAX_HEADER_BYTES = 100_000_000
_MAX_DEPTH = 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of `element`s at `offset` in its file."""

    name: str
    element: Element
    shape: tuple[int, ...]
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.size_bytes


def find_tensors(data: bytes) -> tuple[Tensor, ...]:
    """The tensors of at least MIN_TENSOR_BYTES, in the order of their offsets, none over another.

    Never raises: a file that cannot be walked to its end has no tensors, and is but a stream of bytes.
    """
    try:
        found = list(_walk_safetensors(data) if data[8:9] == b"{" else _walk_model(data))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, struct.error):
        return ()
    return tuple(_apart(tensor for tensor in found if _is_sound(tensor, len(data))))


def _is_sound(tensor: Tensor, file_bytes: int) -> bool:
    if tensor.size_bytes < MIN_TENSOR_BYTES or tensor.offset < 0 or tensor.end > file_bytes:
        return False
    return (
        all(side > 0 for side in tensor.shape) and prod(tensor.shape) * tensor.element.size_bytes == tensor.size_bytes
    )


def _apart(tensors: Iterator[Tensor]) -> Iterator[Tensor]:
    end = 0
    for tensor in sorted(tensors, key=lambda one: one.offset):
        if tensor.offset >= end:
            yield tensor
            end = tensor.end


def _walk_safetensors(data: bytes) -> Iterator[Tensor]:
    (header_bytes,) = struct.unpack_from("<Q", data)
    if header_bytes > min(len(data) - 8, _MAX_HEADER_BYTES):
        raise ValueError("the header is longer than the file")
    header = json.loads(data[8 : 8 + header_bytes])
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in _SAFETENSORS:
            continue
        start, stop = (int(offset) for offset in entry["data_offsets"])
        shape = tuple(int(side) for side in entry["shape"])
        yield Tensor(name, _SAFETENSORS[entry["dtype"]], shape, 8 + header_bytes + start, stop - start)


def _walk_model(data: bytes) -> Iterator[Tensor]:
    for field, wire, start, stop in _fields(data, 0, len(data)):
        if field == 7 and wire == _BYTES:
            yield from _walk_graph(data, start, stop, "", 0)


def _walk_graph(data: bytes, start: int, stop: int, prefix: str, depth: int) -> Iterator[Tensor]:
    if depth > _MAX_DEPTH:
        raise ValueError("graphs are nested too deeply")
    nodes = 0
    for field, wire, first, last in _fields(data, start, stop):
        if wire != _BYTES:
            continue
        if field == 5:
            yield from _walk_tensor(data, first, last, prefix)
        elif field == 1:
            nodes += 1
            yield from _walk_node(data, first, last, f"{prefix}{nodes}/", depth)


def _walk_node(data: bytes, start: int, stop: int, prefix: str, depth: int) -> Iterator[Tensor]:
    for field, wire, first, last in _fields(data, start, stop):
        if field != 5 or wire != _BYTES:
            continue
        for inner, inner_wire, inner_first, inner_last in _fields(data, first, last):
            if inner == 5 and inner_wire == _BYTES:
                yield from _walk_tensor(data, inner_first, inner_last, prefix)
            elif inner == 6 and inner_wire == _BYTES:
                yield from _walk_graph(data, inner_first, inner_last, prefix, depth + 1)


def _walk_tensor(data: bytes, start: int, stop: int, prefix: str) -> Iterator[Tensor]:
    name, element, place = "", None, None
    shape: list[int] = []
    for field, wire, first, last in _fields(data, start, stop):
        if field == 1:
            shape += [first] if wire == _VARINT else _varints(data, first, last)
        elif field == 2 and wire == _VARINT:
            element = _ONNX.get(first)
        elif field == 8 and wire == _BYTES:
            name = data[first:last].decode("utf-8", "replace")
        elif wire == _BYTES and (field == 9 or field in _TYPED_DATA):
            place = (first, last - first)
    if element is not None and place is not None:
        yield Tensor(prefix + name, element, tuple(shape), *place)


def _fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Field number, wire type, and either (value, 0) or the range of the content."""
    while start < stop:
        tag, start = _varint(data, start)
        wire = tag & 7
        if wire == _VARINT:
            value, start = _varint(data, start)
            yield tag >> 3, wire, value, 0
            continue
        if wire == _BYTES:
            size, start = _varint(data, start)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[wire]
        if start + size > stop:
            raise ValueError("a field is longer than what holds it")
        yield tag >> 3, wire, start, start + size
        start += size


def _varints(data: bytes, start: int, stop: int) -> list[int]:
    values = []
    while start < stop:
        value, start = _varint(data, start)
        values.append(value)
    return values


def _varint(data: bytes, start: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
    raise ValueError("a number is longer than ten bytes")
