"""Arrays by name as bytes: safetensors, in which text lies as UTF-8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgewright.contract.errors import HostileInput

TEXT = "utf8:"
"""Begins the name of an array of text: bytes, with one axis more than the text has, filled up with zeros."""

Array = npt.NDArray[Any]


def encode(arrays: Mapping[str, Array]) -> bytes:
    """Equal arrays give equal bytes. Text (arrays of str) loses zero characters at its end."""
    named = dict(_written(name, arrays[name]) for name in sorted(arrays))
    return save(named)


def decode(data: bytes, what: str = "arrays") -> dict[str, Array]:
    """The arrays, text as objects of str; raises HostileInput, which speaks of `what`."""
    try:
        return dict(_read(name, array) for name, array in load(data).items())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:  # UnicodeDecodeError is a ValueError
        raise HostileInput(f"not {what} as safetensors: {error}", field="arrays") from error


def _written(name: str, array: Array) -> tuple[str, Array]:
    if array.dtype.kind not in "OUS":
        return name, np.ascontiguousarray(array)
    texts = [str(text).encode() for text in array.reshape(-1)]
    width = max(map(len, texts), default=1) or 1
    filled = b"".join(text.ljust(width, b"\0") for text in texts)
    return TEXT + name, np.frombuffer(filled, np.uint8).reshape(*array.shape, width)


def _read(name: str, array: Array) -> tuple[str, Array]:
    if not name.startswith(TEXT):
        return name, array
    if array.dtype != np.uint8 or array.ndim < 1:
        raise ValueError(f"'{name[:80]}' is no text")
    texts = np.empty(array.shape[:-1], object)
    rows = array.reshape(texts.size, array.shape[-1])
    texts.reshape(-1)[:] = [row.tobytes().rstrip(b"\0").decode() for row in rows]
    return name.removeprefix(TEXT), texts
