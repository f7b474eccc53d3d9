"""Finds the tensors of a file by walking its bytes: safetensors, ONNX, TFLite, OpenVINO's weights with their layout."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path

from edgewright.contract.delta.maker.containers.onnx import walk_onnx
from edgewright.contract.delta.maker.containers.openvino import walk_layout
from edgewright.contract.delta.maker.containers.safetensors import walk_safetensors
from edgewright.contract.delta.maker.containers.tensor import MIN_TENSOR_BYTES, Tensor
from edgewright.contract.delta.maker.containers.tflite import IDENTIFIER, walk_tflite
from edgewright.contract.delta.maker.containers.window import Window
from edgewright.contract.delta.source import Source

__all__ = ["MIN_TENSOR_BYTES", "Tensor", "find_tensors"]

_MAX_TENSORS = 1 << 18
_BROKEN = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
    json.JSONDecodeError,
)


def find_tensors(source: Source, layout: Path | None = None) -> tuple[Tensor, ...]:
    """The tensors of at least MIN_TENSOR_BYTES, in the order of their offsets, none over another.

    `layout` is the .xml beside an OpenVINO .bin. Never raises for what the bytes are: a file that cannot be
    walked to its end has no tensors, and is but a stream of bytes.
    """
    found: list[Tensor] = []
    try:
        for tensor in _walk(Window(source), layout):
            if _is_sound(tensor, source.size_bytes):
                found.append(tensor)
            if len(found) > _MAX_TENSORS:
                return ()
    except _BROKEN:
        return ()
    return tuple(_apart(found))


def _walk(data: Window, layout: Path | None) -> Iterator[Tensor]:
    if layout is not None:
        return walk_layout(layout)
    if data.bytes(8, 9) == b"{":
        return walk_safetensors(data)
    if data.bytes(4, 8) == IDENTIFIER:
        return walk_tflite(data)
    return walk_onnx(data)


def _is_sound(tensor: Tensor, file_bytes: int) -> bool:
    if tensor.size_bytes < MIN_TENSOR_BYTES or tensor.offset < 0 or tensor.end > file_bytes:
        return False
    return (
        all(side > 0 for side in tensor.shape) and prod(tensor.shape) * tensor.element.size_bytes == tensor.size_bytes
    )


def _apart(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    end = 0
    for tensor in sorted(tensors, key=lambda one: one.offset):
        if tensor.offset >= end:
            yield tensor
            end = tensor.end
