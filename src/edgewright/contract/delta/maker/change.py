"""Tells tensors: changes by blocks of residuals, groups of small ones, and those of which the base knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.coding.blocks import PLAIN, write_block
from edgewright.contract.delta.coding.elements import INT8, Array, Element
from edgewright.contract.delta.coding.predict import Prediction, Same
from edgewright.contract.delta.coding.raw import write_raw, write_stored
from edgewright.contract.delta.format import Op, block_rows, masked_rows
from edgewright.contract.delta.maker.budget import Budget, Effort
from edgewright.contract.delta.maker.entropy import Tally
from edgewright.contract.delta.maker.fit import best_prediction
from edgewright.contract.delta.maker.steps import Change, Member, Raw
from edgewright.contract.delta.rows import Rows, Straight, Transposed
from edgewright.contract.delta.source import Source
from edgewright.contract.delta.writer import Writer

_PARTS = 8  # of a block that are filled at a time

Sink = Callable[[bytes | bytearray], object]


@dataclass(frozen=True, slots=True)
class Told:
    """How a tensor, or a part of one, was told, and what that costs."""

    start: int
    op: Op
    element: Element
    prediction: str
    payload_bytes: int
    entropy_bytes: int


class Teller:
    """Reads both files block by block and hands payload to a sink as it comes."""

    def __init__(self, base: Source, new: Source, budget: Budget, *, measures_entropy: bool = False) -> None:
        self._base, self._new = base, new
        self._budget = budget
        self._measures_entropy = measures_entropy

    def change(self, step: Change, sink: Sink) -> Told:
        """A DELTA or TRANSPOSED of the base's tensor, or RAW if there is no time for either."""
        if self._budget.effort() is Effort.STORED:
            return self.raw(Raw(step.start, step.size_bytes, step.element), sink)
        kind = Transposed if step.is_transposed else Straight
        before = kind(self._base, step.base, step.element, step.rows, step.columns)
        after = Straight(self._new, step.start, step.element, step.rows, step.columns)
        is_full = self._budget.effort() is Effort.FULL
        prediction = best_prediction(before, after, step.element) if is_full else Same()
        meter, tally = _Meter(sink), self._tally()
        writer = Writer()
        prediction.write(writer)
        meter(writer.data)
        way: int | None = None
        for predicted, new in _blocks(prediction, before, after, step.element):
            writer = Writer()
            writer.varint(len(new))
            like = way if self._budget.effort() is Effort.FULL else PLAIN
            way = write_block(writer, predicted, new, step.element, like, tally.observe if tally else None)
            meter(writer.data)
        op = Op.TRANSPOSED if step.is_transposed else Op.DELTA
        return Told(step.start, op, step.element, prediction.name, meter.count, tally.entropy_bytes if tally else 0)

    def group(self, members: Sequence[Member], sink: Sink) -> Told:
        """One block of all their elements."""
        element = members[0].element
        before = _joined([self._base.read(m.base, m.size_bytes) for m in members], element)
        after = _joined([self._new.read(m.start, m.size_bytes) for m in members], element)
        writer, tally = Writer(), self._tally()
        write_block(writer, before, after, element, None, tally.observe if tally else None)
        sink(writer.data)
        entropy_bytes = tally.entropy_bytes if tally else 0
        return Told(members[0].start, Op.GROUP, element, Same().name, len(writer.data), entropy_bytes)

    def raw(self, step: Raw, sink: Sink) -> Told:
        """Blocks of elements; as plain bytes if there is no time."""
        is_stored = self._budget.effort() is Effort.STORED
        element = INT8 if is_stored else step.element
        meter = _Meter(sink)
        width = element.size_bytes
        block_bytes = block_rows(1, element) * width
        for first in range(0, step.size_bytes, block_bytes):
            data = self._new.read(step.start + first, min(block_bytes, step.size_bytes - first))
            writer = Writer()
            if is_stored:
                write_stored(writer, data)
            else:
                write_raw(writer, np.frombuffer(data, element.dtype), element)
            meter(writer.data)
        return Told(step.start, Op.RAW, element, "", meter.count, 0)

    def _tally(self) -> Tally | None:
        return Tally() if self._measures_entropy else None


class _Meter:
    """Counts what goes to a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.count = 0

    def __call__(self, data: bytes | bytearray) -> None:
        self.count += len(data)
        self._sink(data)


def _blocks(prediction: Prediction, base: Rows, new: Rows, element: Element) -> Iterator[tuple[Array, Array]]:
    """Predicted and new rows, as many at a time as a block can take: rows that do not change take little room."""
    rows, columns = base.shape
    most, most_changed = masked_rows(columns, element), block_rows(columns, element)
    step = max(1, most_changed // _PARTS)
    held: list[tuple[Array, Array]] = []
    held_rows = changed_rows = 0
    for first in range(0, rows, step):
        count = min(step, rows - first)
        after = new.read(first, count)
        predicted = prediction.of(base.read(first, count), first)
        changed = int(np.count_nonzero((predicted != after).any(axis=1)))
        if held and (held_rows + count > most or changed_rows + changed > most_changed):
            yield _stacked(held)
            held, held_rows, changed_rows = [], 0, 0
        held.append((predicted, after))
        held_rows += count
        changed_rows += changed
    yield _stacked(held)


def _stacked(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    predicted, new = zip(*parts, strict=True)
    return np.concatenate(predicted), np.concatenate(new)


def _joined(parts: Sequence[memoryview], element: Element) -> Array:
    return np.frombuffer(b"".join(parts), element.dtype).reshape(1, -1)
