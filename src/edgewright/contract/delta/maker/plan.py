"""Decides which operation makes which bytes of the new file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgewright.contract.delta.coding.elements import Element
from edgewright.contract.delta.format import BLOCK_BYTES, BLOCK_ELEMENTS, block_rows
from edgewright.contract.delta.maker.containers import Tensor
from edgewright.contract.delta.maker.match import ByteMatcher, equal_at_end, equal_at_start
from edgewright.contract.delta.maker.pair import Pair
from edgewright.contract.delta.maker.steps import Change, Copy, Literal, Member, Raw, Step, joined
from edgewright.contract.delta.source import Source

_MIN_RAW_BYTES = 256
_PATCHED_BYTES = 64  # a change of no more bytes than these is told as bytes
_LONG_BYTES = 1 << 16  # equal ends of a changed tensor that are worth a copy


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that make the new file, in order, worked out anew by each call; and its members, known before."""

    steps: Callable[[], Iterator[Step]]
    members: tuple[Member, ...]


class Planner:
    """Plans for one pair of files whose tensors are known and paired."""

    def __init__(
        self,
        base: Source,
        new: Source,
        had: tuple[Tensor, ...],
        have: tuple[Tensor, ...],
        pairs: tuple[Pair, ...],
    ) -> None:
        self._base, self._new = base, new
        self._pairs = tuple(pair for pair in pairs if _fits(pair))
        self._equal = [self._equal_ends(pair) for pair in self._pairs]
        self._loose = _Loose(have, self._pairs)
        unpaired = set(had) - {pair.base for pair in self._pairs}
        lost = [(tensor.offset, tensor.end) for tensor in unpaired] if self._loose.ranges or not self._pairs else []
        self._matcher = ByteMatcher(base, [*_outside(had, base.size_bytes), *sorted(lost)])
        self.copied = frozenset(pair.new for pair, equal in zip(self._pairs, self._equal, strict=True) if equal is None)

    def plan(self, *, member_bytes: int, is_gap_literal: bool) -> Plan:
        """Changed tensors of at most `member_bytes` go into groups.

        What lies between tensors is matched against the base, or left wholly to the dictionary if `is_gap_literal`.
        """

        def steps() -> Iterator[Step]:
            return joined(self._steps(member_bytes, is_gap_literal))

        members = (step for pair in self._paired(member_bytes) for step in pair if isinstance(step, Member))
        return Plan(steps, tuple(members))

    def _paired(self, member_bytes: int) -> Iterator[list[Step]]:
        for pair, equal in zip(self._pairs, self._equal, strict=True):
            yield list(_pair_steps(pair, equal, member_bytes))

    def _steps(self, member_bytes: int, is_gap_literal: bool) -> Iterator[Step]:
        start, origin = 0, 0
        for pair, steps in zip(self._pairs, self._paired(member_bytes), strict=True):
            yield from self._gap(start, pair.new.offset, origin, is_gap_literal)
            yield from steps
            start, origin = pair.new.end, pair.base.end
        yield from self._gap(start, self._new.size_bytes, origin, is_gap_literal)

    def _equal_ends(self, pair: Pair) -> tuple[int, int] | None:
        """How many bytes are equal at the start and at the end; None if all are."""
        new, base = pair.new, pair.base
        if pair.is_transposed:
            return 0, 0
        first = equal_at_start(self._base, base.offset, self._new, new.offset, new.size_bytes)
        if first == new.size_bytes:
            return None
        return first, equal_at_end(self._base, base.end, self._new, new.end, new.size_bytes - first)

    def _gap(self, start: int, stop: int, origin: int, is_literal: bool) -> Iterator[Step]:
        size = stop - start
        if size == 0:
            return
        if is_literal:
            yield Literal(start, size)
            return
        if equal_at_start(self._base, origin, self._new, start, size) == size:
            yield Copy(start, size, origin)
            return
        for match in self._matcher.matches(self._new, start, stop):
            yield from self._unmatched(start, match.new)
            yield Copy(match.new, match.size_bytes, match.base)
            start = match.new + match.size_bytes
        yield from self._unmatched(start, stop)

    def _unmatched(self, start: int, stop: int) -> Iterator[Step]:
        """Literals, but for the whole elements of unpaired tensors."""
        for first, last, element in self._loose.within(start, stop):
            if first > start:
                yield Literal(start, first - start)
            yield Raw(first, last - first, element)
            start = last
        if stop > start:
            yield Literal(start, stop - start)


class _Loose:
    """The parts of tensors that no pair speaks of, in order."""

    def __init__(self, tensors: Iterable[Tensor], pairs: Iterable[Pair]) -> None:
        ends = {pair.new.offset: pair.new.end for pair in pairs}
        parts = ((ends.get(tensor.offset, tensor.offset), tensor) for tensor in tensors)
        self.ranges = [(start, tensor.end, tensor.element) for start, tensor in parts if start < tensor.end]
        self._starts = [start for start, _, _ in self.ranges]

    def within(self, start: int, stop: int) -> Iterator[tuple[int, int, Element]]:
        """Whole elements between two offsets, where there are enough of them to pay."""
        for place in range(max(0, bisect_right(self._starts, start) - 1), len(self.ranges)):
            begin, end, element = self.ranges[place]
            if begin >= stop:
                return
            width = element.size_bytes
            first = begin + -(-max(0, start - begin) // width) * width
            size = (min(stop, end) - first) // width * width
            if size >= _MIN_RAW_BYTES:
                yield first, first + size, element


def _fits(pair: Pair) -> bool:
    """Whether the rows of a transposed tensor fit into blocks; others can be cut."""
    columns = pair.new.shape[-1] if pair.new.shape else 1
    return not pair.is_transposed or (
        columns <= BLOCK_ELEMENTS and columns * pair.new.element.size_bytes <= BLOCK_BYTES
    )


def _pair_steps(pair: Pair, equal: tuple[int, int] | None, member_bytes: int) -> Iterator[Step]:
    new, base = pair.new, pair.base
    if equal is None:
        yield Copy(new.offset, new.size_bytes, base.offset)
        return
    at_start, at_end = equal
    differing = new.size_bytes - at_start - at_end
    if differing <= _PATCHED_BYTES and not pair.is_transposed:
        yield from _with_copies(pair, at_start, at_end, (Literal(new.offset + at_start, differing),))
    elif pair.is_transposed:
        yield Change(new.offset, new.size_bytes, base.offset, new.element, new.shape[1], True)
    elif new.size_bytes <= member_bytes:
        yield Member(new.offset, new.size_bytes, base.offset, new.element)
    else:
        row_bytes = _columns(new) * new.element.size_bytes
        at_start = at_start // row_bytes * row_bytes if at_start >= _LONG_BYTES else 0
        at_end = at_end // row_bytes * row_bytes if at_end >= _LONG_BYTES else 0
        if (new.size_bytes - at_start) % row_bytes:
            at_end = 0  # the last row is a short one
        yield from _with_copies(pair, at_start, at_end, _changes(pair, at_start, at_end))


def _with_copies(pair: Pair, at_start: int, at_end: int, steps: Iterable[Step]) -> Iterator[Step]:
    if at_start:
        yield Copy(pair.new.offset, at_start, pair.base.offset)
    yield from steps
    if at_end:
        yield Copy(pair.new.end - at_end, at_end, pair.base.end - at_end)


def _columns(tensor: Tensor) -> int:
    """Of the rows that it is seen as: its first dimension's, if they fit into blocks."""
    count = tensor.size_bytes // tensor.element.size_bytes
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    return min(count // rows, block_rows(1, tensor.element))


def _changes(pair: Pair, at_start: int, at_end: int) -> Iterator[Change]:
    """One change, or two if the last row would be shorter than the rest."""
    new, base, element = pair.new, pair.base, pair.new.element
    columns = _columns(new)
    row_bytes = columns * element.size_bytes
    size = new.size_bytes - at_start - at_end
    whole = size // row_bytes * row_bytes
    if whole:
        yield Change(new.offset + at_start, whole, base.offset + at_start, element, columns)
    if size > whole:
        start = at_start + whole
        yield Change(
            new.offset + start, size - whole, base.offset + start, element, (size - whole) // element.size_bytes
        )


def _outside(tensors: Iterable[Tensor], size_bytes: int) -> Iterator[tuple[int, int]]:
    start = 0
    for tensor in tensors:
        if tensor.offset > start:
            yield start, tensor.offset
        start = tensor.end
    if size_bytes > start:
        yield start, size_bytes
