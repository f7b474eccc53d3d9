"""How records lie in the spool's files: framed by magic, length and CRC-32, so that damage costs only what it hits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Record

MAX_RECORD_BYTES = 4 * 1024 * 1024
_MAGIC = b"\xe5EW1"
_FRAME = struct.Struct("<4sII")
T = TypeVar("T")


class Replaces(msgspec.Struct, frozen=True, kw_only=True, tag="replaces"):
    """The first frame of a condensed segment: the segments (names of files) that it stands for, each as a whole.

    `generation` is that of the `Fates` which were held to, `count` how many records follow.
    """

    segments: tuple[str, ...]
    generation: int
    count: int


Framed = Record | Replaces


class Found(NamedTuple):
    """A sound frame: where it begins, how long it is, what it holds."""

    offset: int
    size_bytes: int
    held: Framed


def encode(framed: Framed) -> bytes:
    """A record in its frame. Raises InvalidInput where it is too large."""
    return enclose(msgspec.msgpack.encode(framed))


def enclose(payload: bytes) -> bytes:
    """Any bytes in a frame."""
    if len(payload) > MAX_RECORD_BYTES:
        raise InvalidInput(f"a record has at most {MAX_RECORD_BYTES} bytes, this one has {len(payload)}")
    return _FRAME.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def disclose(data: bytes, kind: type[T]) -> T:
    """What a file of one frame holds; raises ValueError where it is damaged."""
    payload = _payload(data, 0)
    if payload is None:
        raise ValueError("the frame is damaged")
    return msgspec.msgpack.decode(payload, type=kind)


def walk(data: bytes) -> Iterator[Found]:
    """Every sound frame in `data`; damage is skipped up to the next magic."""
    at = data.find(_MAGIC)
    while at >= 0:
        found = parse(data, at)
        if found is not None:
            yield found
        at = data.find(_MAGIC, at + (found.size_bytes if found is not None else 1))


def parse(data: bytes, at: int = 0) -> Found | None:
    """The frame that begins at `at`; None where there is no sound one."""
    payload = _payload(data, at)
    if payload is None:
        return None
    try:
        return Found(at, _FRAME.size + len(payload), msgspec.msgpack.decode(payload, type=Framed))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _payload(data: bytes, at: int) -> bytes | None:
    if len(data) - at < _FRAME.size:
        return None
    magic, length, checksum = _FRAME.unpack_from(data, at)
    payload = data[at + _FRAME.size : at + _FRAME.size + length]
    is_sound = magic == _MAGIC and length <= MAX_RECORD_BYTES and len(payload) == length
    return payload if is_sound and zlib.crc32(payload) == checksum else None
