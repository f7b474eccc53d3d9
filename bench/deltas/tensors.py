"""Where the tensors of an ONNX or safetensors file lie; read with the formats' own libraries, not with our walker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx

FLOAT_BYTES = {"F16": 2, "BF16": 2, "F32": 4}
OTHER_BYTES = {"I8": 1, "U8": 1, "BOOL": 1, "I32": 4, "I64": 8}
BYTES = FLOAT_BYTES | OTHER_BYTES
ONNX_NAMES = {1: "F32", 2: "U8", 3: "I8", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 16: "BF16"}


@dataclass(frozen=True)
class Place:
    """One tensor: `content[start:stop]` holds its elements, little-endian, row by row."""

    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    stop: int


def places(content: bytes) -> list[Place]:
    """All tensors that hold bytes of their own, by rising start."""
    found = _safetensors(content) if content[8:9] == b"{" else _onnx(content)
    return sorted(found, key=lambda place: place.start)


def _safetensors(content: bytes) -> list[Place]:
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:first])
    return [
        Place(name, each["dtype"], tuple(each["shape"]), *(first + offset for offset in each["data_offsets"]))
        for name, each in header.items()
        if name != "__metadata__"
    ]


def _onnx(content: bytes) -> list[Place]:
    """The initialisers; protobuf keeps them in order, so that each is found behind the last one."""
    found = []
    cursor = 0
    for tensor in onnx.load_from_string(content).graph.initializer:
        kind, data = ONNX_NAMES.get(tensor.data_type), _data(tensor)
        if kind is None or len(data) != prod(tensor.dims) * BYTES[kind] or not data:
            continue
        cursor = content.index(data, cursor)
        found.append(Place(tensor.name, kind, tuple(tensor.dims), cursor, cursor + len(data)))
        cursor += len(data)
    return found


def _data(tensor: onnx.TensorProto) -> bytes:
    """The elements as the file has them: raw, or as packed floats, in which quantisers leave their scales."""
    return tensor.raw_data or np.asarray(tensor.float_data, "<f4").tobytes()
