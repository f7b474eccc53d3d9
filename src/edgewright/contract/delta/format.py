"""The delta file's outer form: its header, its operations, and the limits that both sides keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edgewright.contract.delta.coding.elements import BY_CODE, Element
from edgewright.contract.delta.reader import Reader, require
from edgewright.contract.delta.writer import Writer
from edgewright.contract.errors import HostileInput

MAGIC = b"EWD2"
BLOCK_BYTES = 1 << 20
BLOCK_ELEMENTS = 1 << 18
MASKED_BYTES = 1 << 21  # that a block may span with the rows that do not change
DICTIONARY_BYTES = 1 << 15
GROUP_MEMBERS = 1 << 12
MIN_LZMA_BITS, MAX_LZMA_BITS = 12, 22  # of the window's size: what unpacking literals may take in memory

_DIGEST_BYTES = 32


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
    TRANSPOSED = 6


@dataclass(frozen=True, slots=True)
class Header:
    """Which file becomes which, and how long the compressed script and literals are."""

    base_sha256: bytes
    result_sha256: bytes
    base_bytes: int
    result_bytes: int
    script_bytes: int
    literal_bytes: int

    def write(self, writer: Writer) -> None:
        """The head of a delta file."""
        writer.raw(MAGIC + self.base_sha256 + self.result_sha256)
        for number in (self.base_bytes, self.result_bytes, self.script_bytes, self.literal_bytes):
            writer.varint(number)


def read_header(reader: Reader) -> Header:
    """The head of a delta file, as foreign as all of it."""
    require(bytes(reader.take(len(MAGIC))) == MAGIC, f"does not begin with {MAGIC.decode()}")
    digests = bytes(reader.take(_DIGEST_BYTES)), bytes(reader.take(_DIGEST_BYTES))
    return Header(*digests, reader.varint(), reader.varint(), reader.varint(), reader.varint())


def read_element(reader: Reader) -> Element:
    """An element type by its code."""
    return BY_CODE[reader.at_most(len(BY_CODE) - 1, "element type")]


def block_rows(columns: int, element: Element) -> int:
    """How many rows of `columns` elements may change in one block."""
    return max(1, min(BLOCK_ELEMENTS, BLOCK_BYTES // element.size_bytes) // columns)


def masked_rows(columns: int, element: Element) -> int:
    """How many rows of `columns` elements one block may span."""
    return max(1, MASKED_BYTES // (columns * element.size_bytes))
