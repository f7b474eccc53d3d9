"""Turns a base and a delta into the new file: streams, checks before it allocates, and trusts nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgewright.contract.delta.coding.blocks import read_block
from edgewright.contract.delta.coding.elements import Array, Element
from edgewright.contract.delta.coding.predict import read_prediction
from edgewright.contract.delta.coding.raw import read_raw
from edgewright.contract.delta.format import (
    BLOCK_BYTES,
    BLOCK_ELEMENTS,
    DICTIONARY_BYTES,
    GROUP_MEMBERS,
    MAX_LZMA_BITS,
    MIN_LZMA_BITS,
    Header,
    Op,
    WrongBase,
    block_rows,
    masked_rows,
    read_element,
    read_header,
)
from edgewright.contract.delta.reader import Inflater, SourceReader, Unlzma, Unpacker, Unpacking, require
from edgewright.contract.delta.result import Result
from edgewright.contract.delta.rows import Rows, Straight, Transposed, predicted_rows
from edgewright.contract.delta.source import MemorySource, Source, opened, pieces, sha256_of
from edgewright.contract.errors import HostileInput

_PIECE_BYTES = 1 << 16

Write = Callable[[bytes | memoryview], object]
Tell = Callable[[int, int], object]


def apply(base: Path, delta: Path, out: Path, *, max_result_bytes: int, tell: Tell | None = None) -> str:
    """Write to `out` what `delta` makes of `base`, and return its SHA-256 in hex.

    `out` appears, whole and synced, only if its digest is the one in the delta; until then the bytes are in
    `out` + '.part', which does not outlive a failure. Raises WrongBase if `base` is not the file that the delta
    was made for, HostileInput for anything wrong in the delta, and OSError for what the disk has to say. `tell` gets
    the bytes that are written, and how many there will be, after each step.
    """
    part = out.with_name(out.name + ".part")
    with opened(base) as base_source, opened(delta) as delta_source:
        try:
            with part.open("wb") as file:
                digest = apply_sources(
                    base_source, delta_source, file.write, max_result_bytes=max_result_bytes, tell=tell
                )
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return digest


def apply_bytes(base: bytes | memoryview, delta: bytes | memoryview, write: Write, *, max_result_bytes: int) -> str:
    """As `apply`, on bytes: what has been written counts only once this returns."""
    return apply_sources(MemorySource(base), MemorySource(delta), write, max_result_bytes=max_result_bytes)


def apply_sources(base: Source, delta: Source, write: Write, *, max_result_bytes: int, tell: Tell | None = None) -> str:
    """As `apply_bytes`, on whatever holds the bytes."""
    reader = SourceReader(delta, 0, delta.size_bytes)
    header = read_header(reader)
    require(header.result_bytes <= max_result_bytes, f"the result of {header.result_bytes} bytes is too large")
    if base.size_bytes != header.base_bytes or sha256_of(base) != header.base_sha256:
        raise WrongBase("the delta was made for another base")
    try:
        return _Applier(base, header, reader, write).run(tell)
    except (ValueError, IndexError, OverflowError) as error:
        raise HostileInput(f"delta: malformed ({error})") from error


class _Group:
    """Small tensors that were decoded together and wait for their places."""

    def __init__(self, data: bytes, sizes: list[tuple[int, int]]) -> None:
        self._data = memoryview(data)
        self._sizes = sizes[::-1]  # (result bytes, cursor behind the base range), last first
        self._taken_bytes = 0

    def take(self) -> tuple[memoryview, int]:
        """The next member's bytes, and where the cursor goes."""
        size, cursor = self._sizes.pop()
        self._taken_bytes += size
        return self._data[self._taken_bytes - size : self._taken_bytes], cursor

    @property
    def is_empty(self) -> bool:
        """Whether every member has its place."""
        return not self._sizes


class _Applier:
    """One run over the script; every operation is checked against what is left of base and result."""

    def __init__(self, base: Source, header: Header, reader: SourceReader, write: Write) -> None:
        self._base = base
        self._header = header
        self._script = Unpacking(reader.part(header.script_bytes), Inflater())
        literal = reader.part(header.literal_bytes)
        self._payload = reader
        self._result = Result(header.result_bytes, write)
        self._cursor = 0
        self._groups: dict[Element, _Group] = {}
        self._literal = Unpacking(literal, self._literal_unpacker())

    def run(self, tell: Tell | None) -> str:
        """Obey the script to its end."""
        steps: dict[int, Callable[[], None]] = {
            Op.COPY: self._copy,
            Op.LITERAL: self._copy_literal,
            Op.DELTA: self._delta,
            Op.RAW: self._raw,
            Op.GROUP: self._group,
            Op.MEMBER: self._member,
            Op.TRANSPOSED: self._transposed,
        }
        while self._result.left_bytes:
            steps[self._script.at_most(max(Op), "operation")]()
            if tell:
                tell(self._header.result_bytes - self._result.left_bytes, self._header.result_bytes)
        self._script.end("script")
        self._literal.end("literal stream")
        require(self._payload.remaining == 0, "bytes follow the last payload")
        require(not self._groups, "a group has members without a place")
        return self._result.digest(self._header.result_sha256)

    def _literal_unpacker(self) -> Unpacker:
        window_bits = self._script.at_most(MAX_LZMA_BITS, "window of the literals")
        if window_bits == 0:
            return Inflater(self._read_dictionary())
        require(window_bits >= MIN_LZMA_BITS, "the window of the literals is too small")
        return Unlzma(window_bits)

    def _read_dictionary(self) -> bytes:
        dictionary = b""
        position = 0
        for _ in range(self._script.at_most(DICTIONARY_BYTES, "dictionary ranges")):
            position += self._script.at_most(self._base.size_bytes - position, "dictionary offset")
            size = self._script.at_most(DICTIONARY_BYTES - len(dictionary), "dictionary length")
            require(0 < size <= self._base.size_bytes - position, "the dictionary leaves the base")
            dictionary += self._base.read(position, size)
            position += size
        return dictionary

    def _copy(self) -> None:
        size = self._size(1)
        start = self._source(size)
        for piece in pieces(self._base, start, start + size):
            self._result.write(piece)

    def _copy_literal(self) -> None:
        size = self._size(1)
        for start in range(0, size, _PIECE_BYTES):
            self._result.write(self._literal.take(min(_PIECE_BYTES, size - start)))

    def _delta(self) -> None:
        element, rows, columns = self._shape()
        start = self._source(rows * columns * element.size_bytes)
        self._change(Straight(self._base, start, element, rows, columns), element)

    def _transposed(self) -> None:
        element, rows, columns = self._shape()
        start = self._source(rows * columns * element.size_bytes)
        self._change(Transposed(self._base, start, element, rows, columns), element)

    def _shape(self) -> tuple[Element, int, int]:
        element = read_element(self._script)
        columns = self._script.at_most(BLOCK_ELEMENTS, "columns")
        row_bytes = columns * element.size_bytes
        require(0 < row_bytes <= BLOCK_BYTES, "a row is empty, or passes a block")
        return element, self._size(row_bytes) // row_bytes, columns

    def _change(self, base: Rows, element: Element) -> None:
        prediction = read_prediction(self._payload, element, base.shape)
        rows, columns = base.shape
        first = 0
        while first < rows:
            limit = min(rows - first, masked_rows(columns, element))
            count = self._payload.at_most(limit, "rows of a block")
            require(count > 0, "a block has no rows")
            predicted = predicted_rows(prediction, base, first, count, element)
            self._result.write_array(read_block(self._payload, predicted, element, block_rows(columns, element)))
            first += count

    def _raw(self) -> None:
        element = read_element(self._script)
        count = self._size(element.size_bytes) // element.size_bytes
        step = block_rows(1, element)
        for first in range(0, count, step):
            self._result.write_array(read_raw(self._payload, min(step, count - first), element))

    def _group(self) -> None:
        element = read_element(self._script)
        require(element not in self._groups, "a group is still open")
        limit = block_rows(1, element)
        sizes: list[tuple[int, int]] = []
        base = bytearray()
        for _ in range(self._script.at_most(GROUP_MEMBERS, "members")):
            count = self._script.at_most(limit, "elements of a group")
            require(count > 0, "a member is empty")
            limit -= count
            size = count * element.size_bytes
            base += self._base.read(self._source(size), size)
            sizes.append((size, self._cursor))
        require(bool(sizes), "a group has no members")
        predicted: Array = np.frombuffer(bytes(base), element.dtype).reshape(1, -1)
        block = read_block(self._payload, predicted, element, 1)
        self._groups[element] = _Group(block.tobytes(), sizes)

    def _member(self) -> None:
        element = read_element(self._script)
        group = self._groups.get(element)
        if group is None:
            raise HostileInput("delta: a member of no group")
        data, self._cursor = group.take()
        self._result.write(data)
        if group.is_empty:
            del self._groups[element]

    def _size(self, unit_bytes: int) -> int:
        """A length in units that the result has room for, in bytes."""
        units = self._script.at_most(self._result.left_bytes // unit_bytes, "length")
        require(units > 0, "an operation makes nothing")
        return units * unit_bytes

    def _source(self, size: int) -> int:
        """Where a base range begins that the script points at, relative to the end of the last one."""
        start = self._cursor + self._script.signed()
        require(0 <= start <= self._base.size_bytes - size, "a range leaves the base")
        self._cursor = start + size
        return start
