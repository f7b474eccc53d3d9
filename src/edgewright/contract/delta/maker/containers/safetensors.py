"""safetensors: a length, a JSON header, and the tensors one after the other."""

from __future__ import annotations

import json
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

_ELEMENTS = {
    "F32": FLOAT32,
    "F16": FLOAT16,
    "BF16": BFLOAT16,
    "F64": FLOAT64,
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), INT8),
    **dict.fromkeys(("I16", "U16"), INT16),
    **dict.fromkeys(("I32", "U32"), INT32),
    **dict.fromkeys(("I64", "U64"), INT64),
}
_MAX_HEADER_BYTES = 8 << 20  # as Python objects it takes some ten times as much


def walk_safetensors(data: Window) -> Iterator[Tensor]:
    """The tensors of a safetensors file; raises ValueError, KeyError or TypeError where it is none."""
    (header_bytes,) = data.unpack("<Q", 0)
    if header_bytes > min(len(data) - 8, _MAX_HEADER_BYTES):
        raise ValueError("the header is longer than the file, or than is read")
    header = json.loads(data.bytes(8, 8 + header_bytes))
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in _ELEMENTS:
            continue
        start, stop = (int(offset) for offset in entry["data_offsets"])
        shape = tuple(int(side) for side in entry["shape"])
        yield Tensor(name, _ELEMENTS[entry["dtype"]], shape, 8 + header_bytes + start, stop - start)
