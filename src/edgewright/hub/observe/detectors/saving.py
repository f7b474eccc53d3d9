"""How detectors' states become bytes: a dataclass of arrays and numbers, read back only where it fits a fresh one."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar

import msgspec
import numpy as np

from edgewright.contract.errors import HostileInput

MAX_STATE_BYTES = 16 * 1024 * 1024
S = TypeVar("S")


class _Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, array_like=True):
    format: int
    values: list[bytes | float | int]


FORMAT = 1


def pack(state: Any) -> bytes:
    """The bytes of a dataclass whose fields are float arrays, floats and ints."""
    values = [getattr(state, field.name) for field in dataclasses.fields(state)]
    plain = [_plain(value) for value in values]
    return msgspec.msgpack.encode(_Saved(format=FORMAT, values=plain))


def unpack(data: bytes, fresh: S) -> S:
    """The state in `data`, in the shapes of `fresh`; `fresh` itself where there are no bytes.

    Raises HostileInput on anything else: other shapes, NaN, +infinity, counts below zero among integers.
    """
    if not data:
        return fresh
    if len(data) > MAX_STATE_BYTES:
        raise HostileInput(f"a detector's state has at most {MAX_STATE_BYTES} bytes", field="state")
    try:
        saved = msgspec.msgpack.decode(data, type=_Saved)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a detector's state: {error}", field="state") from error
    fields = dataclasses.fields(fresh)  # type: ignore[arg-type]
    if saved.format != FORMAT or len(saved.values) != len(fields):
        raise HostileInput(f"a state of format {saved.format} with {len(saved.values)} values", field="state")
    values = [_read(value, getattr(fresh, f.name), f.name) for value, f in zip(saved.values, fields, strict=True)]
    return type(fresh)(*values)


def _plain(value: Any) -> bytes | float | int:
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, "<f8").tobytes()
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"a state holds arrays and numbers, not {type(value).__name__}")


def _read(value: bytes | float | int, like: Any, name: str) -> Any:
    if isinstance(like, np.ndarray):
        return _read_array(value, like, name)
    if isinstance(like, int):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise HostileInput(f"'{name}' is no count", field=name)
        return value
    if isinstance(value, bytes) or not math.isfinite(value):
        raise HostileInput(f"'{name}' is no number", field=name)
    return float(value)


def _read_array(value: bytes | float | int, like: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if not isinstance(value, bytes) or len(value) != 8 * like.size:
        raise HostileInput(f"'{name}' does not have the shape {like.shape}", field=name)
    array = np.frombuffer(value, "<f8").reshape(like.shape)
    if np.isnan(array).any() or (array == np.inf).any():
        raise HostileInput(f"'{name}' has values that are no numbers", field=name)
    return array
