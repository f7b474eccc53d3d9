"""Rows that were seen and are not counted yet: one row at a time costs little more than its share of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile.measures.reading import TensorReader

MAX_ROWS = 1024
_ARRAY = np.ndarray
MAX_BYTES = 256 * 1024
Array = npt.NDArray[Any]
Read = Sequence[tuple[TensorReader, Array]]
"""Rows by the reader of their tensor."""


class _Plan(NamedTuple):
    name: str
    held: np.dtype[Any]
    width: int
    keep: Callable[[bytes], None]


class Pending:
    """Keeps rows back as bytes, which costs a third of copying them into an array."""

    def __init__(self, inputs: Sequence[TensorReader], outputs: Sequence[TensorReader]) -> None:
        self._readers = (*inputs, *outputs)
        self._chunks: list[list[bytes]] = [[] for _ in self._readers]
        self._widths = [reader.width or 0 for reader in self._readers]
        self._is_plain = bool(self._readers) and all(reader.is_plain for reader in self._readers)
        plans = list(map(self._plan, range(len(self._readers))))
        self._inputs, self._outputs = plans[: len(inputs)], plans[len(inputs) :]
        self._limit = self._find_limit()
        self.rows = 0

    def take(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> int:
        """Keep the rows of a batch that is just as the contract says; how many: 0 where it must be read first."""
        if not self._is_plain:
            return 0
        kept, rows = [], 0
        for plans, tensors in ((self._inputs, inputs), (self._outputs, outputs)):
            for name, held, width, keep in plans:
                tensor = tensors.get(name)
                if type(tensor) is not _ARRAY or tensor.dtype is not held or not tensor.ndim:
                    return 0
                rows = rows or len(tensor)
                if len(tensor) != rows or tensor.size != rows * width:
                    return 0
                kept.append((keep, tensor))
        if rows > self._limit - self.rows:
            return 0
        for keep, tensor in kept:
            keep(tensor.tobytes())
        self.rows += rows
        return rows

    def keep(self, read: Read, rows: int) -> bool:
        """Keep rows that were read; False where they are too many, or not like those before."""
        if len(read) != len(self._readers) or rows > self._limit:
            return False
        if self.rows == 0:
            self._widths = [tensor.shape[1] for _, tensor in read]
            self._limit = self._find_limit()
        widths = [tensor.shape[1] for _, tensor in read]
        is_same = all(np.can_cast(tensor.dtype, reader.held, "same_kind") for reader, tensor in read)
        if widths != self._widths or not is_same or rows > self._limit - self.rows:
            return False
        for (reader, tensor), chunks in zip(read, self._chunks, strict=True):
            chunks.append(tensor.astype(reader.held, copy=False).tobytes())
        self.rows += rows
        return True

    def release(self) -> Read:
        """All that was kept, to be counted now."""
        read = [
            (reader, np.frombuffer(b"".join(chunks), reader.held).reshape(self.rows, width))
            for reader, chunks, width in zip(self._readers, self._chunks, self._widths, strict=True)
        ]
        for chunks in self._chunks:
            chunks.clear()
        self.rows = 0
        return read

    def _plan(self, place: int) -> _Plan:
        reader = self._readers[place]
        return _Plan(reader.spec.name, reader.held, self._widths[place], self._chunks[place].append)

    def _find_limit(self) -> int:
        row_bytes = sum(reader.held.itemsize * width for reader, width in zip(self._readers, self._widths, strict=True))
        return min(MAX_ROWS, MAX_BYTES // max(1, row_bytes))
