"""TFLite: a flatbuffer (schema.fbs, version 3) of tables, of which the tensors and their buffers are walked."""

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
from edgewright.contract.delta.maker.containers.flatbuffer import field, follow, scalar, tables
from edgewright.contract.delta.maker.containers.tensor import Tensor
from edgewright.contract.delta.maker.containers.window import Window

IDENTIFIER = b"TFL3"

_ELEMENTS = {  # TensorType
    0: FLOAT32, 1: FLOAT16, 2: INT32, 3: INT8, 4: INT64, 6: INT8, 7: INT16, 9: INT8, 10: FLOAT64, 12: INT64,
    15: INT32, 16: INT16, 18: BFLOAT16,
}  # fmt: skip
_MODEL_SUBGRAPHS, _MODEL_BUFFERS = 2, 4
_SUBGRAPH_TENSORS = 0
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_NAME = 0, 1, 2, 3
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2
_MAX_NAME_BYTES = 1 << 12
_MAX_DIMENSIONS = 32


def walk_tflite(data: Window) -> Iterator[Tensor]:
    """The tensors of a TFLite file that hold data; raises ValueError, IndexError or struct.error where it is none."""
    model = follow(data, 0)
    buffers = list(tables(data, model, _MODEL_BUFFERS))
    for subgraph in tables(data, model, _MODEL_SUBGRAPHS):
        for table in tables(data, subgraph, _SUBGRAPH_TENSORS):
            number = scalar(data, table, _TENSOR_BUFFER, "<I")
            place = _buffer(data, buffers[number]) if number < len(buffers) else None
            element = _ELEMENTS.get(scalar(data, table, _TENSOR_TYPE, "<b"))
            if place is not None and element is not None:
                yield Tensor(_name(data, table), element, _shape(data, table), *place)


def _buffer(data: Window, table: int) -> tuple[int, int] | None:
    """Where a buffer's bytes lie: in the flatbuffer, or behind it if the file is larger than 2 GB."""
    place = field(data, table, _BUFFER_DATA)
    if place is not None:
        start = follow(data, place)
        return start + 4, data.unpack("<I", start)[0]
    offset = scalar(data, table, _BUFFER_OFFSET, "<Q")
    return (offset, scalar(data, table, _BUFFER_SIZE, "<Q")) if offset > 1 else None


def _shape(data: Window, table: int) -> tuple[int, ...]:
    place = field(data, table, _TENSOR_SHAPE)
    if place is None:
        return ()
    start = follow(data, place)
    count = data.unpack("<I", start)[0]
    if count > _MAX_DIMENSIONS:
        raise ValueError("a tensor has too many dimensions")
    return data.unpack(f"<{count}i", start + 4)


def _name(data: Window, table: int) -> str:
    place = field(data, table, _TENSOR_NAME)
    if place is None:
        return ""
    start = follow(data, place)
    size = min(data.unpack("<I", start)[0], _MAX_NAME_BYTES)
    return data.bytes(start + 4, start + 4 + size).decode("utf-8", "replace")
