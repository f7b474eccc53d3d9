"""Turns a base and a delta into the new file: streams, checks before it allocates, and trusts nothing."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgewright.contract.delta.blocks import read_block
from edgewright.contract.delta.elements import Array, Element
from edgewright.contract.delta.format import (
    BLOCK_BYTES,
    BLOCK_ELEMENTS,
    DICTIONARY_BYTES,
    GROUP_MEMBERS,
    Header,
    Inflating,
    Op,
    Reader,
    WrongBase,
    block_rows,
    require,
    sha256_of,
)
from edgewright.contract.delta.predict import read_prediction
from edgewright.contract.delta.symbols import read_planes
from edgewright.contract.errors import HostileInput

_PIECE_BYTES = 1 << 16


def apply(base: Path, delta: Path, out: Path, *, max_result_bytes: int) -> str:
    """Write to `out` what `delta` makes of `base`, and return its SHA-256 in hex.

    `out` appears, whole and synced, only if its digest is the one in the delta; until then the bytes are in
    `out` + '.part', which does not outlive a failure. Raises WrongBase if `base` is not the file that the delta
    was made for, HostileInput for anything wrong in the delta, and OSError for what the disk has to say.
    """
    part = out.with_name(out.name + ".part")
    with _mapped(base) as base_bytes, _mapped(delta) as delta_bytes:
        try:
            with part.open("wb") as file:
                digest = apply_bytes(base_bytes, delta_bytes, file.write, max_result_bytes=max_result_bytes)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return digest


def apply_bytes(
    base: memoryview, delta: memoryview, write: Callable[[bytes | memoryview], object], *, max_result_bytes: int
) -> str:
    """As `apply`, on bytes: what has been written counts only once this returns."""
    reader = Reader(delta)
    header = reader.header()
    require(header.result_bytes <= max_result_bytes, f"the result of {header.result_bytes} bytes is too large")
    if len(base) != header.base_bytes or sha256_of(base) != header.base_sha256:
        raise WrongBase("the delta was made for another base")
    try:
        return _Applier(base, header, reader, write).run()
    except (ValueError, IndexError, OverflowError) as error:
        raise HostileInput(f"delta: malformed ({error})") from error


@dataclass(slots=True)
class _Group:
    """Small tensors that were decoded together and wait for their places."""

    data: memoryview
    sizes: list[tuple[int, int]]  # (result bytes, cursor behind the base range), last first
    taken_bytes: int = 0


class _Applier:
    """One run over the script; every operation is checked against what is left of base and result."""

    def __init__(
        self, base: memoryview, header: Header, reader: Reader, write: Callable[[bytes | memoryview], object]
    ) -> None:
        self._base = base
        self._header = header
        self._script = Inflating(reader.take(header.script_bytes))
        literal = reader.take(header.literal_bytes)
        self._payload = reader
        self._result = _Result(header.result_bytes, write)
        self._cursor = 0
        self._groups: dict[Element, _Group] = {}
        self._literal = Inflating(literal, self._read_dictionary())

    def run(self) -> str:
        """Obey the script to its end."""
        steps: dict[int, Callable[[], None]] = {
            Op.COPY: self._copy,
            Op.LITERAL: self._copy_literal,
            Op.DELTA: self._delta,
            Op.RAW: self._raw,
            Op.GROUP: self._group,
            Op.MEMBER: self._member,
        }
        while self._result.left_bytes:
            steps[self._script.at_most(max(Op), "operation")]()
        self._script.end("script")
        self._literal.end("literal stream")
        require(self._payload.remaining == 0, "bytes follow the last payload")
        require(not self._groups, "a group has members without a place")
        return self._result.digest(self._header.result_sha256)

    def _read_dictionary(self) -> bytes:
        dictionary = b""
        position = 0
        for _ in range(self._script.at_most(DICTIONARY_BYTES, "dictionary ranges")):
            position += self._script.at_most(len(self._base) - position, "dictionary offset")
            size = self._script.at_most(DICTIONARY_BYTES - len(dictionary), "dictionary length")
            require(0 < size <= len(self._base) - position, "the dictionary leaves the base")
            dictionary += self._base[position : position + size]
            position += size
        return dictionary

    def _copy(self) -> None:
        size = self._size(1)
        source = self._source(size)
        for start in range(0, size, BLOCK_BYTES):
            self._result.write(source[start : start + BLOCK_BYTES])

    def _copy_literal(self) -> None:
        size = self._size(1)
        for start in range(0, size, _PIECE_BYTES):
            self._result.write(self._literal.take(min(_PIECE_BYTES, size - start)))

    def _delta(self) -> None:
        element = self._script.element()
        columns = self._script.at_most(BLOCK_ELEMENTS, "columns")
        require(0 < columns * element.size_bytes <= BLOCK_BYTES, "a row is empty, or passes a block")
        row_bytes = columns * element.size_bytes
        rows = self._size(row_bytes) // row_bytes
        source = np.frombuffer(self._source(rows * row_bytes), element.dtype).reshape(rows, columns)
        prediction = read_prediction(self._payload, element, source.shape)
        step = block_rows(columns, element)
        for first in range(0, rows, step):
            predicted = prediction.of(source[first : first + step], first)
            self._result.write_array(read_block(self._payload, predicted, element))

    def _raw(self) -> None:
        element = self._script.element()
        count = self._size(element.size_bytes) // element.size_bytes
        step = block_rows(1, element)
        for first in range(0, count, step):
            self._result.write_array(read_planes(self._payload, min(step, count - first), element.dtype))

    def _group(self) -> None:
        element = self._script.element()
        require(element not in self._groups, "a group is still open")
        limit = block_rows(1, element)
        sizes: list[tuple[int, int]] = []
        sources: list[Array] = []
        for _ in range(self._script.at_most(GROUP_MEMBERS, "members")):
            count = self._script.at_most(limit, "elements of a group")
            require(count > 0, "a member is empty")
            limit -= count
            source = self._source(count * element.size_bytes)
            sources.append(np.frombuffer(source, element.dtype))
            sizes.append((len(source), self._cursor))
        require(bool(sources), "a group has no members")
        block = read_block(self._payload, np.concatenate(sources).reshape(1, -1), element)
        self._groups[element] = _Group(memoryview(block.tobytes()), sizes[::-1])

    def _member(self) -> None:
        element = self._script.element()
        group = self._groups.get(element)
        if group is None:
            raise HostileInput("delta: a member of no group")
        size, self._cursor = group.sizes.pop()
        self._result.write(group.data[group.taken_bytes : group.taken_bytes + size])
        group.taken_bytes += size
        if not group.sizes:
            del self._groups[element]

    def _size(self, unit_bytes: int) -> int:
        """A length in units that the result has room for, in bytes."""
        units = self._script.at_most(self._result.left_bytes // unit_bytes, "length")
        require(units > 0, "an operation makes nothing")
        return units * unit_bytes

    def _source(self, size: int) -> memoryview:
        """The base range that the script points at, relative to the end of the last one."""
        start = self._cursor + self._script.signed()
        require(0 <= start <= len(self._base) - size, "a range leaves the base")
        self._cursor = start + size
        return self._base[start : self._cursor]


class _Result:
    """Counts and digests what is written, and never writes past the declared size."""

    def __init__(self, size_bytes: int, write: Callable[[bytes | memoryview], object]) -> None:
        self.left_bytes = size_bytes
        self._write = write
        self._sha256 = sha256()

    def write(self, data: bytes | memoryview) -> None:
        require(len(data) <= self.left_bytes, "the result passes its declared size")
        self.left_bytes -= len(data)
        self._sha256.update(data)
        self._write(data)

    def write_array(self, array: Array) -> None:
        self.write(np.ascontiguousarray(array).data.cast("B"))

    def digest(self, expected: bytes) -> str:
        require(self._sha256.digest() == expected, "the result has another digest than the delta says")
        return self._sha256.hexdigest()


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """A file's bytes, paged in as they are read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield memoryview(b"")
            return
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        yield memoryview(mapping)  # the mapping goes when its last view does
