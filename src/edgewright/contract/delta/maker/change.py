"""Tells tensors: changes by blocks of residuals, groups of small ones, and those of which the base knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.coding.blocks import PLAIN, write_block
from edgewright.contract.delta.coding.elements import INT8, Array, Element
from edgewright.contract.delta.coding.predict import Same
from edgewright.contract.delta.coding.raw import write_raw, write_stored
from edgewright.contract.delta.format import Op, block_rows
from edgewright.contract.delta.maker.budget import Budget, Effort
from edgewright.contract.delta.maker.entropy import Tally
from edgewright.contract.delta.maker.fit import best_prediction
from edgewright.contract.delta.maker.steps import Change, Member, Raw
from edgewright.contract.delta.rows import Straight, Transposed
from edgewright.contract.delta.source import Source
from edgewright.contract.delta.writer import Writer

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
        observe = tally.observe if tally else None
        way: int | None = None
        step_rows = block_rows(step.columns, step.element)
        for first in range(0, step.rows, step_rows):
            count = min(step_rows, step.rows - first)
            writer = Writer()
            predicted = prediction.of(before.read(first, count), first)
            like = way if self._budget.effort() is Effort.FULL else PLAIN
            way = write_block(writer, predicted, after.read(first, count), step.element, like, observe)
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


def _joined(parts: Sequence[memoryview], element: Element) -> Array:
    return np.frombuffer(b"".join(parts), element.dtype).reshape(1, -1)
