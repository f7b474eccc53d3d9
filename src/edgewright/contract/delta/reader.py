"""Reads what a Writer wrote, from bytes that nobody vouches for: every length is checked before it is believed."""

from __future__ import annotations

import lzma
import zlib
from typing import Protocol

from edgewright.contract.delta.source import Source
from edgewright.contract.errors import HostileInput

_WINDOW_BYTES = 1 << 17
_CHUNK_BYTES = 1 << 16


def require(condition: bool, message: str) -> None:
    """Refuse the delta unless `condition` holds."""
    if not condition:
        raise HostileInput(f"delta: {message}")


class Reader:
    """Over bytes in memory."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        require(0 <= count <= self.remaining, f"{count} bytes wanted where {self.remaining} are left")
        self._position += count
        return self._data[self._position - count : self._position]

    def varint(self) -> int:
        """An unsigned integer below 2 to the 63rd."""
        value = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise HostileInput("delta: a number is longer than 63 bits")

    def at_most(self, limit: int, name: str) -> int:
        """An unsigned integer that may not pass `limit`."""
        value = self.varint()
        require(value <= limit, f"{name} is {value}, at most {limit} is possible here")
        return value

    def signed(self) -> int:
        """A signed integer."""
        value = self.varint()
        return -(value + 1) // 2 if value & 1 else value // 2

    def packed(self, count: int) -> bytes | memoryview:
        """Exactly `count` unpacked bytes; never more are unpacked, and never more read."""
        if count == 0:
            return b""
        length = self.at_most(count - 1, "length of a packed piece")
        if length == 0:
            return self.take(count)
        return _inflate_exactly(self.take(length), count)


class SourceReader(Reader):
    """Over a range of a Source, of which a small window is held."""

    def __init__(self, source: Source, start: int, stop: int) -> None:
        super().__init__(memoryview(b""))
        self._source = source
        self._next, self._stop = start, stop  # what lies behind the window

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position + self._stop - self._next

    def take(self, count: int) -> memoryview:
        """The next `count` bytes; they are held in memory, so `count` must have been checked."""
        if count > len(self._data) - self._position:
            require(0 <= count <= self.remaining, f"{count} bytes wanted where {self.remaining} are left")
            start = self._next - (len(self._data) - self._position)
            size = max(count, min(_WINDOW_BYTES, self._stop - start))
            self._data, self._position, self._next = self._source.read(start, size), 0, start + size
        return super().take(count)

    def part(self, count: int) -> SourceReader:
        """A reader of its own over the next `count` bytes, which are passed over here."""
        require(0 <= count <= self.remaining, f"{count} bytes wanted where {self.remaining} are left")
        start = self._next - (len(self._data) - self._position)
        self._data, self._position, self._next = memoryview(b""), 0, start + count
        return SourceReader(self._source, start, start + count)


class Unpacker(Protocol):
    """A decompressor that gives no more than it is asked for."""

    def unpack(self, packed: Reader, limit: int) -> bytes:
        """At most `limit` more bytes; none if it is at its end, or has too little to go on."""

    @property
    def is_done(self) -> bool:
        """Whether the stream has come to its end mark, with nothing left over."""


class Unpacking(Reader):
    """Over a compressed stream, unpacked as it goes, a little at a time."""

    def __init__(self, packed: Reader, unpacker: Unpacker) -> None:
        super().__init__(memoryview(b""))
        self._packed = packed
        self._unpacker = unpacker

    def take(self, count: int) -> memoryview:
        """The next `count` bytes; ask for small pieces only, they are held in memory."""
        while self.remaining < count:
            more = self._unpacker.unpack(self._packed, _CHUNK_BYTES)
            require(bool(more), "a compressed stream ends too early")
            self._data = memoryview(bytes(self._data[self._position :]) + more)
            self._position = 0
        return super().take(count)

    def end(self, name: str) -> None:
        """Refuse bytes that nothing has asked for."""
        rest = self.remaining + len(self._unpacker.unpack(self._packed, 1))
        require(rest == 0 and self._unpacker.is_done, f"the {name} does not end where it should")
        require(self._packed.remaining == 0, f"bytes follow the {name}")


class Inflater:
    """Raw DEFLATE, with a preset window or without."""

    def __init__(self, dictionary: bytes = b"") -> None:
        self._zlib = zlib.decompressobj(-15, zdict=dictionary) if dictionary else zlib.decompressobj(-15)
        self._tail = b""

    @property
    def is_done(self) -> bool:
        """See Unpacker."""
        return self._zlib.eof and not self._zlib.unused_data

    def unpack(self, packed: Reader, limit: int) -> bytes:
        """See Unpacker."""
        while not self._zlib.eof:
            given = self._tail or bytes(packed.take(min(_CHUNK_BYTES, packed.remaining)))
            found = _inflated(self._zlib, given, limit)
            self._tail = self._zlib.unconsumed_tail
            if found or not given:
                return found
        return b""


class Unlzma:
    """Raw LZMA2 with a window of 2 to the `window_bits` bytes, which is all that it reserves."""

    def __init__(self, window_bits: int) -> None:
        chain = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << window_bits}]
        self._lzma = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)

    @property
    def is_done(self) -> bool:
        """See Unpacker."""
        return self._lzma.eof and not self._lzma.unused_data

    def unpack(self, packed: Reader, limit: int) -> bytes:
        """See Unpacker."""
        while not self._lzma.eof:
            given = b""
            if self._lzma.needs_input:
                given = bytes(packed.take(min(_CHUNK_BYTES, packed.remaining)))
                if not given:
                    return b""
            found = self._decompressed(given, limit)
            if found:
                return found
        return b""

    def _decompressed(self, given: bytes, limit: int) -> bytes:
        try:
            return self._lzma.decompress(given, limit)
        except lzma.LZMAError as error:
            raise HostileInput(f"delta: a compressed piece is damaged ({error})") from error


def _inflate_exactly(data: memoryview, count: int) -> bytes:
    inflater = zlib.decompressobj(-15)
    found = _inflated(inflater, data, count)
    if not inflater.eof and len(found) == count:  # the end mark may lie just behind the last byte
        require(not _inflated(inflater, inflater.unconsumed_tail, 1), f"more than {count} bytes are packed")
    require(len(found) == count and inflater.eof, f"not exactly {count} bytes are packed")
    require(not inflater.unused_data, "bytes follow a packed piece")
    return found


def _inflated(inflater: zlib._Decompress, data: bytes | memoryview, limit: int) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error as error:
        raise HostileInput(f"delta: a compressed piece is damaged ({error})") from error
