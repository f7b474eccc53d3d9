"""ONNX: a protocol buffer, of which models, graphs, nodes and tensors are walked; nothing else is looked into."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.contract.delta.coding.elements import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
)
from edgewright.contract.delta.maker.containers.tensor import Tensor
from edgewright.contract.delta.maker.containers.window import Window

_ELEMENTS = {  # TensorProto.DataType
    1: FLOAT32, 2: INT8, 3: INT8, 4: INT16, 5: INT16, 6: INT32, 7: INT64, 9: INT8, 10: FLOAT16, 11: FLOAT64,
    12: INT32, 13: INT64, 16: BFLOAT16, 17: INT8, 18: INT8, 19: INT8, 20: INT8,
}  # fmt: skip
_TYPED_DATA = {4: FLOAT32, 10: FLOAT64}  # packed float_data and double_data; raw_data is field 9 for every type
_MAX_DEPTH = 16
_MAX_DIMENSIONS = 32
_MAX_NAME_BYTES = 1 << 12
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def walk_onnx(data: Window) -> Iterator[Tensor]:
    """The initializers and constants of an ONNX file; raises ValueError, KeyError or IndexError where it is none."""
    for field, wire, start, stop in _fields(data, 0, len(data)):
        if field == 7 and wire == _BYTES:
            yield from _walk_graph(data, start, stop, "", 0)


def _walk_graph(data: Window, start: int, stop: int, prefix: str, depth: int) -> Iterator[Tensor]:
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


def _walk_node(data: Window, start: int, stop: int, prefix: str, depth: int) -> Iterator[Tensor]:
    for field, wire, first, last in _fields(data, start, stop):
        if field != 5 or wire != _BYTES:
            continue
        for inner, inner_wire, inner_first, inner_last in _fields(data, first, last):
            if inner == 5 and inner_wire == _BYTES:
                yield from _walk_tensor(data, inner_first, inner_last, prefix)
            elif inner == 6 and inner_wire == _BYTES:
                yield from _walk_graph(data, inner_first, inner_last, prefix, depth + 1)


def _walk_tensor(data: Window, start: int, stop: int, prefix: str) -> Iterator[Tensor]:
    name, element, place = "", None, None
    shape: list[int] = []
    for field, wire, first, last in _fields(data, start, stop):
        if field == 1:
            shape += [first] if wire == _VARINT else _varints(data, first, last)
            _check_dimensions(shape)
        elif field == 2 and wire == _VARINT:
            element = _ELEMENTS.get(first)
        elif field == 8 and wire == _BYTES:
            name = data.bytes(first, min(last, first + _MAX_NAME_BYTES)).decode("utf-8", "replace")
        elif wire == _BYTES and (field == 9 or field in _TYPED_DATA):
            place = (first, last - first)
    if element is not None and place is not None:
        yield Tensor(prefix + name, element, tuple(shape), *place)


def _fields(data: Window, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Field number, wire type, and either (value, 0) or the range of the content."""
    while start < stop:
        data.count_step()
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


def _varints(data: Window, start: int, stop: int) -> list[int]:
    values = []
    while start < stop:
        value, start = _varint(data, start)
        values.append(value)
        _check_dimensions(values)
    return values


def _check_dimensions(shape: list[int]) -> None:
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError("a tensor has too many dimensions")


def _varint(data: Window, start: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data.byte(start)
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
    raise ValueError("a number is longer than ten bytes")
