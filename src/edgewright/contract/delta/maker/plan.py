"""Decides which operation makes which bytes of the new file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from edgewright.contract.delta.elements import Element
from edgewright.contract.delta.format import block_rows
from edgewright.contract.delta.maker.containers import Tensor, find_tensors
from edgewright.contract.delta.maker.match import ByteMatcher, pair_tensors

_MIN_RAW_BYTES = 256


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes of the base as they are."""

    start: int
    size_bytes: int
    base: int


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that the base has not."""

    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Raw:
    """Elements of a tensor that resembles none of the base."""

    start: int
    size_bytes: int
    element: Element


@dataclass(frozen=True, slots=True)
class Change:
    """A tensor, or a part of one, seen as rows of `columns` elements, that grew out of the one at `base`."""

    start: int
    size_bytes: int
    base: int
    element: Element
    columns: int


@dataclass(frozen=True, slots=True)
class Member:
    """A small tensor that is coded together with others of its type."""

    start: int
    size_bytes: int
    base: int
    element: Element


Step = Copy | Literal | Raw | Change | Member


class Planner:
    """Plans for one pair of files; reading and matching them is done once, plans are cheap."""

    def __init__(self, base: bytes, new: bytes) -> None:
        self._base, self._new = base, new
        had, have = find_tensors(base), find_tensors(new)
        self._pairs = pair_tensors(base, had, new, have)
        self._tensors = have
        self._gaps = list(self._gap_steps(had))

    def plan(self, *, member_bytes: int, is_gap_literal: bool) -> tuple[Step, ...]:
        """The steps that make the new file, in order.

        Changed tensors of at most `member_bytes` go into groups. What lies between tensors is matched against
        the base, or left wholly to the dictionary if `is_gap_literal`.
        """
        return tuple(_joined(self._steps(member_bytes, is_gap_literal)))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The new file's, in the order of their offsets."""
        return self._tensors

    def _steps(self, member_bytes: int, is_gap_literal: bool) -> Iterator[Step]:
        paired = (tensor for tensor in self._tensors if tensor in self._pairs)
        for start, stop, steps in self._gaps:
            if is_gap_literal and stop > start:
                yield Literal(start, stop - start)
            else:
                yield from steps
            tensor = next(paired, None)
            if tensor is not None:
                yield from self._tensor_steps(tensor, member_bytes)

    def _tensor_steps(self, tensor: Tensor, member_bytes: int) -> Iterator[Step]:
        origin = self._pairs[tensor]
        if self._is_same(tensor):
            yield Copy(tensor.offset, tensor.size_bytes, origin.offset)
        elif tensor.size_bytes <= member_bytes:
            yield Member(tensor.offset, tensor.size_bytes, origin.offset, tensor.element)
        else:
            yield from _changes(tensor, origin)

    def _is_same(self, tensor: Tensor) -> bool:
        origin = self._pairs[tensor]
        return self._new[tensor.offset : tensor.end] == self._base[origin.offset : origin.end]

    def _gap_steps(self, had: tuple[Tensor, ...]) -> Iterator[tuple[int, int, list[Step]]]:
        """What lies before, between and behind the paired tensors, and the steps that make it."""
        paired = [tensor for tensor in self._tensors if tensor in self._pairs]
        is_whole = len(paired) == len(self._tensors) and bool(paired)
        matcher = ByteMatcher(self._base, _outside(had, len(self._base)) if is_whole else [(0, len(self._base))])
        start, origin = 0, 0
        for tensor in paired:
            yield start, tensor.offset, list(self._gap(matcher, start, tensor.offset, origin))
            start, origin = tensor.end, self._pairs[tensor].end
        yield start, len(self._new), list(self._gap(matcher, start, len(self._new), origin))

    def _gap(self, matcher: ByteMatcher, start: int, stop: int, origin: int) -> Iterator[Step]:
        if start == stop:
            return
        if self._new[start:stop] == self._base[origin : origin + stop - start]:
            yield Copy(start, stop - start, origin)
            return
        for match in matcher.matches(self._new, start, stop):
            yield from self._unmatched(start, match.new)
            yield Copy(match.new, match.size_bytes, match.base)
            start = match.new + match.size_bytes
        yield from self._unmatched(start, stop)

    def _unmatched(self, start: int, stop: int) -> Iterator[Step]:
        """Literals, but for the whole elements of unpaired tensors."""
        for tensor in self._tensors:
            width = tensor.element.size_bytes
            first = tensor.offset + -(-max(0, start - tensor.offset) // width) * width
            size = (min(stop, tensor.end) - first) // width * width
            if tensor not in self._pairs and width > 1 and size >= _MIN_RAW_BYTES:
                if first > start:
                    yield Literal(start, first - start)
                yield Raw(first, size, tensor.element)
                start = first + size
        if stop > start:
            yield Literal(start, stop - start)


def _changes(tensor: Tensor, origin: Tensor) -> Iterator[Change]:
    """One change, or two if the last row would be shorter than the rest."""
    width = tensor.element.size_bytes
    count = tensor.size_bytes // width
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    columns = min(count // rows, block_rows(1, tensor.element))
    whole = count // columns * columns * width
    yield Change(tensor.offset, whole, origin.offset, tensor.element, columns)
    rest = tensor.size_bytes - whole
    if rest:
        yield Change(tensor.offset + whole, rest, origin.offset + whole, tensor.element, rest // width)


def _outside(tensors: Iterable[Tensor], size_bytes: int) -> Iterator[tuple[int, int]]:
    start = 0
    for tensor in tensors:
        yield start, tensor.offset
        start = tensor.end
    yield start, size_bytes


def _joined(steps: Iterable[Step]) -> Iterator[Step]:
    """Make one copy of neighbours that were neighbours in the base, and one literal of neighbouring literals."""
    last: Step | None = None
    for step in steps:
        if last is not None and _continues(last, step):
            last = replace(last, size_bytes=last.size_bytes + step.size_bytes)
            continue
        if last is not None:
            yield last
        last = step
    if last is not None:
        yield last


def _continues(last: Step, step: Step) -> bool:
    if isinstance(last, Copy) and isinstance(step, Copy):
        return last.base + last.size_bytes == step.base
    return isinstance(last, Literal) and isinstance(step, Literal)
