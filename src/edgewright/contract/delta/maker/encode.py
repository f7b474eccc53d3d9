"""Writes a plan down: script, literals and payload, each to a file of its own, and then together."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from edgewright.contract.delta.format import GROUP_MEMBERS, Header, Op, block_rows
from edgewright.contract.delta.maker.budget import Effort
from edgewright.contract.delta.maker.change import Sink, Teller, Told
from edgewright.contract.delta.maker.literals import Ranges, pack_literals
from edgewright.contract.delta.maker.plan import Plan
from edgewright.contract.delta.maker.steps import Change, Copy, Literal, Member, Raw, Step
from edgewright.contract.delta.source import Source
from edgewright.contract.delta.writer import Writer

_SPOOLED_BYTES = 4 << 20  # of each part that is held in memory before it goes to a temporary file
_PIECE_BYTES = 1 << 20
_MAX_READ_RANGES = 1 << 16  # beyond, the dictionary is chosen without regard to what is copied

Tell = Callable[[int, int], object]
Payload = tuple[Told, bytes]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the parts of a delta, as packed."""

    whole: int
    script: int
    literals: int
    payload: int


class Payloads:
    """What steps cost is worked out once, whatever plan they are in; for files so small that all of it can be kept."""

    def __init__(self, teller: Teller, *, is_kept: bool) -> None:
        self._teller = teller
        self._kept: dict[object, Payload] | None = {} if is_kept else None

    def write(self, step: Change | Raw | tuple[Member, ...], sink: Sink) -> Told:
        """Send a step's payload to `sink`."""
        if self._kept is None:
            return self._tell(step, sink)
        if step not in self._kept:
            data = bytearray()
            told = self._tell(step, data.extend)
            self._kept[step] = told, bytes(data)
        told, body = self._kept[step]
        sink(body)
        return told

    def _tell(self, step: Change | Raw | tuple[Member, ...], sink: Sink) -> Told:
        if isinstance(step, Change):
            return self._teller.change(step, sink)
        if isinstance(step, Raw):
            return self._teller.raw(step, sink)
        return self._teller.group(step, sink)


class Encoding:
    """One plan, as it is written; its parts go when the context ends."""

    def __init__(self, base: Source, new: Source, payloads: Payloads, folder: Path | None = None) -> None:
        self._base, self._new = base, new
        self._payloads = payloads
        self._folder = folder
        self._parts = ExitStack()
        self._script, self._literals, self._payload = (self._parts.enter_context(_spooled(folder)) for _ in range(3))
        self._cursor = 0
        self._read: Ranges = []
        self.told: list[Told] = []

    def __enter__(self) -> Encoding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def write(self, plan: Plan, tell: Tell) -> None:
        """Obey the plan to its end."""
        groups = _groups(plan.members)
        for step in plan.steps():
            group = groups.get(step)
            if group:
                self._write_group(group)
            self._write_step(step)
            tell(step.start + step.size_bytes, self._new.size_bytes)

    def size(self) -> int:
        """About how long the delta will be."""
        self._script.seek(0)
        self._literals.seek(0)
        script, literals = (len(zlib.compress(part.read(_SPOOLED_BYTES))) for part in (self._script, self._literals))
        return script + literals + self._payload.tell()

    def assemble(self, digests: tuple[bytes, bytes], effort: Effort, out: IO[bytes]) -> Sizes:
        """Write the delta file."""
        free = _free(self._read, self._base.size_bytes) if len(self._read) < _MAX_READ_RANGES else []
        start = out.tell()
        with (
            _spooled(self._folder) as literals,
            _spooled(self._folder) as script,
        ):
            bits, ranges = pack_literals(self._literals, self._literals.seek(0, 2), self._base, free, effort, literals)
            self._pack_script(bits, ranges, script)
            writer = Writer()
            sizes = self._base.size_bytes, self._new.size_bytes, script.tell(), literals.tell()
            Header(*digests, *sizes).write(writer)
            out.write(writer.data)
            for part in (script, literals, self._payload):
                _append(part, out)
            return Sizes(out.tell() - start, script.tell(), literals.tell(), self._payload.tell())

    def _pack_script(self, window_bits: int, ranges: Ranges, out: IO[bytes]) -> None:
        writer = Writer()
        writer.varint(window_bits)
        if window_bits == 0:
            writer.varint(len(ranges))
        end = 0
        for start, stop in ranges:
            writer.varint(start - end)
            writer.varint(stop - start)
            end = stop
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
        out.write(packer.compress(writer.data))
        self._script.seek(0)
        while piece := self._script.read(_PIECE_BYTES):
            out.write(packer.compress(piece))
        out.write(packer.flush())

    def _write_step(self, step: Step) -> None:
        script = Writer()
        match step:
            case Literal():
                script.varint(Op.LITERAL)
                script.varint(step.size_bytes)
                self._spool_literal(step)
            case Copy():
                script.varint(Op.COPY)
                script.varint(step.size_bytes)
                self._point(script, step.base, step.size_bytes)
            case Member():
                script.varint(Op.MEMBER)
                script.varint(step.element.code)
                self._cursor = step.base + step.size_bytes
            case Raw():
                told = self._payloads.write(step, self._payload.write)
                self._script_raw(script, told, step)
            case Change():
                told = self._payloads.write(step, self._payload.write)
                if told.op is Op.RAW:
                    self._script_raw(script, told, step)
                else:
                    script.varint(told.op)
                    for number in (step.element.code, step.columns, step.rows):
                        script.varint(number)
                    self._point(script, step.base, step.size_bytes)
                    self.told.append(told)
        self._script.write(script.data)

    def _script_raw(self, script: Writer, told: Told, step: Raw | Change) -> None:
        script.varint(Op.RAW)
        script.varint(told.element.code)
        script.varint(step.size_bytes // told.element.size_bytes)
        self.told.append(told)

    def _write_group(self, group: tuple[Member, ...]) -> None:
        script = Writer()
        element = group[0].element
        script.varint(Op.GROUP)
        script.varint(element.code)
        script.varint(len(group))
        for member in group:
            script.varint(member.size_bytes // element.size_bytes)
            self._point(script, member.base, member.size_bytes)
        self._script.write(script.data)
        told = self._payloads.write(group, self._payload.write)
        self.told += _shared(told, group)

    def _point(self, script: Writer, start: int, size_bytes: int) -> None:
        """Say where a base range begins, from the end of the last one."""
        script.signed(start - self._cursor)
        self._cursor = start + size_bytes
        if len(self._read) < _MAX_READ_RANGES:
            self._read.append((start, self._cursor))

    def _spool_literal(self, step: Literal) -> None:
        for first in range(0, step.size_bytes, _PIECE_BYTES):
            size = min(_PIECE_BYTES, step.size_bytes - first)
            self._literals.write(self._new.read(step.start + first, size))


def _spooled(folder: Path | None) -> IO[bytes]:
    return cast(IO[bytes], tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, dir=None if folder is None else str(folder)))


def _append(part: IO[bytes], out: IO[bytes]) -> None:
    part.seek(0)
    while piece := part.read(_PIECE_BYTES):
        out.write(piece)


def _shared(told: Told, group: Sequence[Member]) -> Iterator[Told]:
    """Each member's part of its group, by its size; the parts add up."""
    total = sum(member.size_bytes for member in group)
    done = 0
    for member in group:
        upto = done + member.size_bytes
        payload_bytes, entropy_bytes = (
            whole * upto // total - whole * done // total for whole in (told.payload_bytes, told.entropy_bytes)
        )
        yield Told(member.start, told.op, told.element, told.prediction, payload_bytes, entropy_bytes)
        done = upto


def _groups(members: Sequence[Member]) -> dict[Step, tuple[Member, ...]]:
    """Each group, by the member before which it must be told."""
    found: dict[Step, tuple[Member, ...]] = {}
    for element in dict.fromkeys(member.element for member in members):
        alike = [member for member in members if member.element == element]
        found.update({group[0]: group for group in _filled(alike, block_rows(1, element) * element.size_bytes)})
    return found


def _filled(members: list[Member], limit_bytes: int) -> Iterator[tuple[Member, ...]]:
    group: list[Member] = []
    size = 0
    for member in members:
        if group and (size + member.size_bytes > limit_bytes or len(group) == GROUP_MEMBERS):
            yield tuple(group)
            group, size = [], 0
        group.append(member)
        size += member.size_bytes
    yield tuple(group)


def _free(read: Ranges, base_bytes: int) -> Ranges:
    """What of the base no step reads."""
    free: Ranges = []
    end = 0
    for start, stop in [*sorted(read), (base_bytes, base_bytes)]:
        if start > end:
            free.append((end, start))
        end = max(end, stop)
    return free
