"""What a plan is made of: the steps that make the bytes of the new file, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from edgewright.contract.delta.coding.elements import Element


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
    """A tensor, or a part of one, seen as rows of `columns` elements, that grew out of the one at `base`.

    If `is_transposed`, what lies at `base` has these rows as its columns.
    """

    start: int
    size_bytes: int
    base: int
    element: Element
    columns: int
    is_transposed: bool = False

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.size_bytes // self.element.size_bytes // self.columns


@dataclass(frozen=True, slots=True)
class Member:
    """A small tensor that is coded together with others of its type."""

    start: int
    size_bytes: int
    base: int
    element: Element


Step = Copy | Literal | Raw | Change | Member


def joined(steps: Iterable[Step]) -> Iterator[Step]:
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
