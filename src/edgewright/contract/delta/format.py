"""The delta file's outer form: header, operations, and readers that check every length before they believe it."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from enum import IntEnum

from edgewright.contract.delta.elements import BY_CODE, Element
from edgewright.contract.errors import HostileInput

MAGIC = b"EWD1"
BLOCK_BYTES = 1 << 20
BLOCK_ELEMENTS = 1 << 18
DICTIONARY_BYTES = 1 << 15
GROUP_MEMBERS = 1 << 12
DIGEST_BYTES = 32

_CHUNK_BYTES = 1 << 16
_HUFFMAN_IS_ENOUGH_BYTES = 1 << 16


class WrongBase(HostileInput):
    """The file at hand is not the one that the delta was made for."""

    code = "wrong_base"
    hint = "Fetch the whole file instead."


class Op(IntEnum):
    """What makes the next bytes of the result."""

    COPY = 0
    LITERAL = 1
    DELTA = 2
    RAW = 3
    GROUP = 4
    MEMBER = 5


@dataclass(frozen=True, slots=True)
class Header:
    """Which file becomes which, and how long the compressed script and literals are."""

    base_sha256: bytes
    result_sha256: bytes
    base_bytes: int
    result_bytes: int
    script_bytes: int
    literal_bytes: int


def require(condition: bool, message: str) -> None:
    """Refuse the delta unless `condition` holds."""
    if not condition:
        raise HostileInput(f"delta: {message}")


def block_rows(columns: int, element: Element) -> int:
    """How many rows of `columns` elements one block holds; both sides reckon it alike."""
    return max(1, min(BLOCK_ELEMENTS, BLOCK_BYTES // element.size_bytes) // columns)


def deflate(data: bytes, dictionary: bytes = b"") -> bytes:
    """Compress with raw DEFLATE at its best level."""
    return _deflate(data, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)


def sha256_of(data: bytes | memoryview) -> bytes:
    """Digest in steps, so that a mapped file is paged through and not held."""
    digest = hashlib.sha256()
    for start in range(0, len(data), 1 << 20):
        digest.update(data[start : start + (1 << 20)])
    return digest.digest()


class Writer:
    """Collects varints and packed bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def varint(self, value: int) -> None:
        """An unsigned LEB128 integer."""
        while value > 127:
            self.data.append(value & 127 | 128)
            value >>= 7
        self.data.append(value)

    def signed(self, value: int) -> None:
        """A signed integer, zigzag then LEB128."""
        self.varint(-2 * value - 1 if value < 0 else 2 * value)

    def raw(self, data: bytes | bytearray) -> None:
        """Bytes whose number the reader knows."""
        self.data += data

    def packed(self, data: bytes) -> None:
        """Bytes whose unpacked number the reader knows: 0 and the bytes, or a length and raw DEFLATE."""
        if not data:
            return
        best = _smallest_deflate(data)
        if len(best) < len(data):
            self.varint(len(best))
            self.data += best
        else:
            self.varint(0)
            self.data += data

    def header(self, header: Header) -> None:
        """The head of a delta file."""
        self.data += MAGIC + header.base_sha256 + header.result_sha256
        for number in (header.base_bytes, header.result_bytes, header.script_bytes, header.literal_bytes):
            self.varint(number)


class Reader:
    """Reads what a Writer wrote, from bytes that nobody vouches for."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, not copied."""
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

    def element(self) -> Element:
        """An element type by its code."""
        return BY_CODE[self.at_most(len(BY_CODE) - 1, "element type")]

    def packed(self, count: int) -> bytes | memoryview:
        """Exactly `count` unpacked bytes; never more are unpacked."""
        if count == 0:
            return b""
        length = self.varint()
        if length == 0:
            return self.take(count)
        return _inflate_exactly(self.take(length), count)

    def header(self) -> Header:
        """The head of a delta file."""
        require(bytes(self.take(len(MAGIC))) == MAGIC, f"does not begin with {MAGIC.decode()}")
        digests = bytes(self.take(DIGEST_BYTES)), bytes(self.take(DIGEST_BYTES))
        return Header(*digests, self.varint(), self.varint(), self.varint(), self.varint())


class Inflating(Reader):
    """A Reader over raw DEFLATE that unpacks as it goes, a little at a time."""

    def __init__(self, packed: memoryview, dictionary: bytes = b"") -> None:
        super().__init__(memoryview(b""))
        self._packed = packed
        self._inflater = zlib.decompressobj(-15, zdict=dictionary) if dictionary else zlib.decompressobj(-15)
        self._tail = b""

    def take(self, count: int) -> memoryview:
        """The next `count` bytes; ask for small pieces only, they are held in memory."""
        while self.remaining < count:
            more = self._more()
            require(bool(more), "a compressed stream ends too early")
            self._data = memoryview(bytes(self._data[self._position :]) + more)
            self._position = 0
        return super().take(count)

    def end(self, name: str) -> None:
        """Refuse bytes that nothing has asked for."""
        rest = self.remaining + len(self._more())
        require(rest == 0 and self._inflater.eof, f"the {name} does not end where it should")
        require(not self._packed and not self._tail and not self._inflater.unused_data, f"bytes follow the {name}")

    def _more(self) -> bytes:
        while not self._inflater.eof:
            if not self._tail:
                self._tail, self._packed = bytes(self._packed[:_CHUNK_BYTES]), self._packed[_CHUNK_BYTES:]
            given = self._tail
            found = _translated(self._inflater, given, _CHUNK_BYTES)
            self._tail = self._inflater.unconsumed_tail
            if found:
                return found
            if not given:
                return b""
        return b""


def _smallest_deflate(data: bytes) -> bytes:
    huffman = _deflate(data, 1, zlib.Z_HUFFMAN_ONLY)
    if len(data) > _HUFFMAN_IS_ENOUGH_BYTES and len(huffman) > len(data) // 4:
        return huffman
    return min(huffman, deflate(data), key=len)


def _deflate(data: bytes, level: int, strategy: int, dictionary: bytes = b"") -> bytes:
    if dictionary:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy, dictionary)
    else:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush()


def _inflate_exactly(data: memoryview, count: int) -> bytes:
    inflater = zlib.decompressobj(-15)
    found = _translated(inflater, data, count)
    if not inflater.eof and len(found) == count:  # the end mark may lie just behind the last byte
        require(not _translated(inflater, inflater.unconsumed_tail, 1), f"more than {count} bytes are packed")
    require(len(found) == count and inflater.eof, f"not exactly {count} bytes are packed")
    require(not inflater.unused_data, "bytes follow a packed piece")
    return found


def _translated(inflater: zlib._Decompress, data: bytes | memoryview, limit: int) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error as error:
        raise HostileInput(f"delta: a compressed piece is damaged ({error})") from error
