"""What a delta says of itself, without its base: its header, and which operations make how much of the result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.contract.delta.coding.elements import Element
from edgewright.contract.delta.format import (
    BLOCK_BYTES,
    BLOCK_ELEMENTS,
    DICTIONARY_BYTES,
    GROUP_MEMBERS,
    MAX_LZMA_BITS,
    Header,
    Op,
    block_rows,
    read_element,
    read_header,
)
from edgewright.contract.delta.reader import Inflater, Reader, SourceReader, Unpacking, require
from edgewright.contract.delta.source import opened


@dataclass(frozen=True, slots=True)
class Part:
    """How often an operation stands in the script, and how many bytes of the result it makes."""

    operation: str
    count: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A delta alone. Its bytes are those of header, script, literals and payload; nothing of it has been verified."""

    base_sha256: str
    result_sha256: str
    base_bytes: int
    result_bytes: int
    delta_bytes: int
    script_bytes: int
    literal_bytes: int
    payload_bytes: int
    operations: tuple[Part, ...]


def outline(delta: Path) -> Outline:
    """Read header and script of the delta at `delta`. Raises HostileInput where they are none."""
    with opened(delta) as source:
        reader = SourceReader(source, 0, source.size_bytes)
        header = read_header(reader)
        script = Unpacking(reader.part(header.script_bytes), Inflater())
        reader.part(header.literal_bytes)
        return Outline(
            base_sha256=header.base_sha256.hex(),
            result_sha256=header.result_sha256.hex(),
            base_bytes=header.base_bytes,
            result_bytes=header.result_bytes,
            delta_bytes=source.size_bytes,
            script_bytes=header.script_bytes,
            literal_bytes=header.literal_bytes,
            payload_bytes=reader.remaining,
            operations=_Script(script, header).parts(),
        )


class _Script:
    """One walk over the script: lengths are counted, and bounded as where a delta is applied."""

    def __init__(self, script: Reader, header: Header) -> None:
        self._script = script
        self._left_bytes = header.result_bytes
        self._groups: dict[Element, list[int]] = {}

    def parts(self) -> tuple[Part, ...]:
        """What each kind of operation makes, in the order of their codes."""
        steps: dict[Op, Callable[[], int]] = {
            Op.COPY: lambda: self._ranged(self._size(1)),
            Op.LITERAL: lambda: self._size(1),
            Op.DELTA: self._change,
            Op.RAW: lambda: self._size(read_element(self._script).size_bytes),
            Op.GROUP: self._group,
            Op.MEMBER: self._member,
            Op.TRANSPOSED: self._change,
        }
        self._skip_dictionary()
        counts: dict[Op, int] = defaultdict(int)
        sizes: dict[Op, int] = defaultdict(int)
        while self._left_bytes:
            op = Op(self._script.at_most(max(Op), "operation"))
            size = steps[op]()
            require(size <= self._left_bytes, "the result passes its declared size")
            self._left_bytes -= size
            counts[op] += 1
            sizes[op] += size
        return tuple(Part(op.name.lower(), counts[op], sizes[op]) for op in sorted(counts))

    def _skip_dictionary(self) -> None:
        if self._script.at_most(MAX_LZMA_BITS, "window of the literals"):
            return
        for _ in range(self._script.at_most(DICTIONARY_BYTES, "dictionary ranges")):
            self._script.varint()
            self._script.varint()

    def _change(self) -> int:
        element = read_element(self._script)
        row_bytes = self._script.at_most(BLOCK_ELEMENTS, "columns") * element.size_bytes
        require(0 < row_bytes <= BLOCK_BYTES, "a row is empty, or passes a block")
        return self._ranged(self._size(row_bytes))

    def _group(self) -> int:
        element = read_element(self._script)
        limit = block_rows(1, element)
        members = self._script.at_most(GROUP_MEMBERS, "members")
        counts = [self._ranged(self._script.at_most(limit, "elements of a group")) for _ in range(members)]
        self._groups[element] = [count * element.size_bytes for count in reversed(counts)]
        require(bool(counts), "a group has no members")
        return 0

    def _member(self) -> int:
        sizes = self._groups.get(read_element(self._script))
        require(bool(sizes), "a member of no group")
        return sizes.pop() if sizes else 0

    def _size(self, unit_bytes: int) -> int:
        units = self._script.at_most(self._left_bytes // unit_bytes, "length")
        require(units > 0, "an operation makes nothing")
        return units * unit_bytes

    def _ranged(self, size: int) -> int:
        """Pass over the seek that follows."""
        self._script.signed()
        return size
