"""How detectors' states become bytes: a dataclass of arrays and numbers, read back only where it fits a fresh one."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from edgewright.contract.errors import HostileInput
from edgewright.hub.observe.detectors.baseline import Baseline

MAX_STATE_BYTES = 16 * 1024 * 1024
MOST = 1e15
"""No count, sum or time in a state is larger."""
S = TypeVar("S")


class _Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, array_like=True):
    format: int
    values: list[Any]


FORMAT = 1


class Packed(Generic[S]):
    """What a detector inherits whose states are dataclasses of arrays and numbers."""

    def fresh(self, baseline: Baseline) -> S:
        """A state that has seen nothing."""
        raise NotImplementedError

    def encode(self, state: S) -> bytes:
        """The arrays, as they are."""
        return pack(state)

    def decode(self, data: bytes, baseline: Baseline) -> S:
        """Raises HostileInput unless the arrays fit the baseline."""
        return unpack(data, self.fresh(baseline))


def pack(state: Any) -> bytes:
    """The bytes of a dataclass whose fields are float arrays, numbers, and dataclasses of these."""
    return msgspec.msgpack.encode(_Saved(format=FORMAT, values=_plain_fields(state)))


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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HostileInput(f"not a detector's state: {error}", field="state") from error
    if saved.format != FORMAT:
        raise HostileInput(f"a state of format {saved.format}", field="format")
    return _read_fields(saved.values, fresh)


def _plain_fields(state: Any) -> list[Any]:
    return [_plain(getattr(state, field.name)) for field in dataclasses.fields(state)]


def _read_fields(values: Any, like: S) -> S:
    fields = dataclasses.fields(like)  # type: ignore[arg-type]
    if not isinstance(values, list) or len(values) != len(fields):
        raise HostileInput(f"a state has {len(fields)} values", field="state")
    read = [_read(value, getattr(like, f.name), f.name) for value, f in zip(values, fields, strict=True)]
    return type(like)(*read)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, "<f8").tobytes()
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"a state holds arrays and numbers, not {type(value).__name__}")


def _read(value: Any, like: Any, name: str) -> Any:
    if dataclasses.is_dataclass(like):
        return _read_fields(value, like)
    if isinstance(like, np.ndarray):
        return _read_array(value, like, name)
    if isinstance(like, int):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise HostileInput(f"'{name}' is no count", field=name)
        return value
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= MOST:
        raise HostileInput(f"'{name}' is no number", field=name)
    return float(value)


def _read_array(value: Any, like: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if not isinstance(value, bytes) or len(value) != 8 * like.size:
        raise HostileInput(f"'{name}' does not have the shape {like.shape}", field=name)
    array = np.frombuffer(value, "<f8").reshape(like.shape)
    if not ((np.abs(array) <= MOST) | (array == -np.inf)).all():
        raise HostileInput(f"'{name}' has values that no state has", field=name)
    return array
