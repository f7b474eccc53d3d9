"""A tensor as a range of a file."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.contract.delta.coding.elements import Element

MIN_TENSOR_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of `element`s at `offset` in its file."""

    name: str
    element: Element
    shape: tuple[int, ...]
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.size_bytes
