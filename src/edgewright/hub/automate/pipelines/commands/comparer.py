"""The child that compares the weights of two models, which it parses: `python -m ….comparer QUESTION`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import onnx
from google.protobuf.message import DecodeError

from edgewright.hub.children import serve

SMALLEST = 2
"""Elements: a single number is a constant of the graph more often than a weight."""


class ComparerQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which two files (paths)."""

    parent: str
    model: str


class ComparerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Names of weights of the model that the parent has, equal to the bit."""

    kept: tuple[str, ...]


def compare(asked: ComparerQuestion) -> ComparerAnswer:
    """Compare every initialiser by dtype, shape and bytes; names are hints that exporters change."""
    old = set(_weights(Path(asked.parent)).values())
    new = _weights(Path(asked.model))
    return ComparerAnswer(kept=tuple(name for name, digest in new.items() if digest in old))


def _weights(path: Path) -> dict[str, str]:
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except DecodeError:
        return {}
    found = {}
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.size >= SMALLEST:
            said = f"{values.dtype} {values.shape} ".encode() + values.tobytes()
            found[tensor.name] = hashlib.sha256(said).hexdigest()
    return found


if __name__ == "__main__":
    serve(compare, ComparerQuestion)
