"""Looks at a byte here and a word there of a file, of which a small piece is held at a time."""

from __future__ import annotations

import struct
from typing import Any

from edgewright.contract.delta.source import Source

_WINDOW_BYTES = 1 << 14
_MAX_STEPS = 1 << 22


class Window:
    """A Source by index; IndexError beyond its end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = memoryview(b"")
        self._start = 0
        self._steps = 0

    def __len__(self) -> int:
        return self._source.size_bytes

    def byte(self, at: int) -> int:
        """The byte at an offset."""
        if not self._start <= at < self._start + len(self._data):
            self._move(at)
        return self._data[at - self._start]

    def bytes(self, start: int, stop: int) -> bytes:
        """A range, cut off at the end of the file."""
        stop = min(stop, len(self))
        if start < 0 or start >= stop:
            return b""
        if not self._start <= start <= stop <= self._start + len(self._data):
            if stop - start > _WINDOW_BYTES:
                return bytes(self._source.read(start, stop - start))
            self._move(start)
        return bytes(self._data[start - self._start : stop - self._start])

    def unpack(self, form: str, at: int) -> tuple[Any, ...]:
        """As struct.unpack at an offset; struct.error beyond the end."""
        return struct.unpack(form, self.bytes(at, at + struct.calcsize(form)))

    def count_step(self) -> None:
        """ValueError if a walk has taken more steps than any model needs: gigabytes of bytes that look like fields."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise ValueError("too many fields")

    def _move(self, start: int) -> None:
        if not 0 <= start < len(self):
            raise IndexError(f"byte {start} of {len(self)}")
        self._data = self._source.read(start, min(_WINDOW_BYTES, len(self) - start))
        self._start = start
