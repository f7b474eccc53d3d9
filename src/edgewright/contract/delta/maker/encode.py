"""Writes a plan down: script, dictionary, literals and payloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewright.contract.delta.blocks import write_block
from edgewright.contract.delta.elements import Array, Element
from edgewright.contract.delta.format import (
    DICTIONARY_BYTES,
    GROUP_MEMBERS,
    Header,
    Op,
    Writer,
    block_rows,
    deflate,
    sha256_of,
)
from edgewright.contract.delta.maker.fit import best_prediction
from edgewright.contract.delta.maker.plan import Change, Copy, Literal, Member, Raw, Step
from edgewright.contract.delta.symbols import write_planes

_RAW_MAY_WIN = 0.8  # a payload above this share of its tensor is compared with plain byte planes


class Encoder:
    """Writes plans for one pair of files; what a payload costs is worked out once, whatever plan it is in."""

    def __init__(self, base: bytes, new: bytes) -> None:
        self._base, self._new = base, new
        self._digests = sha256_of(base), sha256_of(new)
        self._payloads: dict[object, tuple[Op, bytes]] = {}

    def encode(self, steps: Sequence[Step]) -> bytes:
        """The delta file that makes the new file by `steps`."""
        script, payload = Writer(), Writer()
        cursor = 0
        groups = _groups(steps)
        for step in steps:
            group = groups.get(step)
            if group:
                cursor = self._write_group(script, payload, group, cursor)
            cursor = self._write_step(script, payload, step, cursor)
        literals = b"".join(self._new[s.start : s.start + s.size_bytes] for s in steps if isinstance(s, Literal))
        ranges = _dictionary(steps, len(self._base)) if literals else []
        attempts = [self._assembled(chosen, script, literals, payload) for chosen in ([], ranges)]
        return min(attempts, key=len)

    def operation(self, step: Change) -> tuple[Op, int]:
        """How a changed tensor is told (DELTA, or RAW if nothing of the base helps), and in how many bytes."""
        op, body = self._change_payload(step)
        return op, len(body)

    def _assembled(self, ranges: list[tuple[int, int]], script: Writer, literals: bytes, payload: Writer) -> bytes:
        told = Writer()
        told.varint(len(ranges))
        end = 0
        for start, stop in ranges:
            told.varint(start - end)
            told.varint(stop - start)
            end = stop
        dictionary = b"".join(self._base[start:stop] for start, stop in ranges)
        packed_script, packed_literals = deflate(bytes(told.data + script.data)), deflate(literals, dictionary)
        whole = Writer()
        sizes = len(self._base), len(self._new), len(packed_script), len(packed_literals)
        whole.header(Header(*self._digests, *sizes))
        return bytes(whole.data + packed_script + packed_literals + payload.data)

    def _write_step(self, script: Writer, payload: Writer, step: Step, cursor: int) -> int:
        if isinstance(step, Literal):
            script.varint(Op.LITERAL)
            script.varint(step.size_bytes)
            return cursor
        if isinstance(step, Copy):
            script.varint(Op.COPY)
            script.varint(step.size_bytes)
            script.signed(step.base - cursor)
        elif isinstance(step, Member):
            script.varint(Op.MEMBER)
            script.varint(step.element.code)
        elif isinstance(step, Raw):
            self._write_raw(script, payload, step.element, step.size_bytes, self._raw_payload(step))
            return cursor
        else:
            op, body = self._change_payload(step)
            if op is Op.RAW:
                self._write_raw(script, payload, step.element, step.size_bytes, body)
                return cursor
            script.varint(Op.DELTA)
            script.varint(step.element.code)
            script.varint(step.columns)
            script.varint(step.size_bytes // step.columns // step.element.size_bytes)
            script.signed(step.base - cursor)
            payload.raw(body)
        return step.base + step.size_bytes

    def _write_raw(self, script: Writer, payload: Writer, element: Element, size_bytes: int, body: bytes) -> None:
        script.varint(Op.RAW)
        script.varint(element.code)
        script.varint(size_bytes // element.size_bytes)
        payload.raw(body)

    def _write_group(self, script: Writer, payload: Writer, group: tuple[Member, ...], cursor: int) -> int:
        element = group[0].element
        script.varint(Op.GROUP)
        script.varint(element.code)
        script.varint(len(group))
        for member in group:
            script.varint(member.size_bytes // element.size_bytes)
            script.signed(member.base - cursor)
            cursor = member.base + member.size_bytes
        payload.raw(self._group_payload(group))
        return cursor

    def _group_payload(self, group: tuple[Member, ...]) -> bytes:
        if group not in self._payloads:
            element = group[0].element
            before = np.concatenate([_array(self._base, m.base, m.size_bytes, element) for m in group])
            after = np.concatenate([_array(self._new, m.start, m.size_bytes, element) for m in group])
            writer = Writer()
            write_block(writer, before.reshape(1, -1), after.reshape(1, -1), element)
            self._payloads[group] = Op.GROUP, bytes(writer.data)
        return self._payloads[group][1]

    def _change_payload(self, step: Change) -> tuple[Op, bytes]:
        if step not in self._payloads:
            body = self._delta_payload(step)
            chosen = Op.DELTA, body
            if len(body) > _RAW_MAY_WIN * step.size_bytes:
                raw = self._raw_payload(Raw(step.start, step.size_bytes, step.element))
                chosen = min(chosen, (Op.RAW, raw), key=lambda one: len(one[1]))
            self._payloads[step] = chosen
        return self._payloads[step]

    def _delta_payload(self, step: Change) -> bytes:
        element = step.element
        before = _array(self._base, step.base, step.size_bytes, element).reshape(-1, step.columns)
        after = _array(self._new, step.start, step.size_bytes, element).reshape(-1, step.columns)
        prediction = best_prediction(before, after, element)
        writer = Writer()
        prediction.write(writer)
        rows = block_rows(step.columns, element)
        way: int | None = None
        for first in range(0, len(before), rows):
            predicted = prediction.of(before[first : first + rows], first)
            way = write_block(writer, predicted, after[first : first + rows], element, way)
        return bytes(writer.data)

    def _raw_payload(self, step: Raw) -> bytes:
        if step not in self._payloads:
            values = _array(self._new, step.start, step.size_bytes, step.element)
            writer = Writer()
            for first in range(0, len(values), block_rows(1, step.element)):
                write_planes(writer, values[first : first + block_rows(1, step.element)])
            self._payloads[step] = Op.RAW, bytes(writer.data)
        return self._payloads[step][1]


def _array(data: bytes, start: int, size_bytes: int, element: Element) -> Array:
    return np.frombuffer(data, element.dtype, size_bytes // element.size_bytes, start)


def _groups(steps: Sequence[Step]) -> dict[Step, tuple[Member, ...]]:
    """Each group, by the member before which it must be told."""
    found: dict[Step, tuple[Member, ...]] = {}
    for element in dict.fromkeys(step.element for step in steps if isinstance(step, Member)):
        members = [step for step in steps if isinstance(step, Member) and step.element == element]
        found.update({group[0]: group for group in _filled(members, block_rows(1, element) * element.size_bytes)})
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


def _dictionary(steps: Sequence[Step], base_bytes: int) -> list[tuple[int, int]]:
    """The last ranges of the base that no step reads, together at most DICTIONARY_BYTES."""
    read = sorted((s.base, s.base + s.size_bytes) for s in steps if not isinstance(s, Literal | Raw))
    free: list[tuple[int, int]] = []
    end = 0
    for start, stop in [*read, (base_bytes, base_bytes)]:
        if start > end:
            free.append((end, start))
        end = max(end, stop)
    chosen: list[tuple[int, int]] = []
    room = DICTIONARY_BYTES
    for start, stop in reversed(free):
        if room > 0:
            chosen.append((max(start, stop - room), stop))
            room -= stop - chosen[-1][0]
    return chosen[::-1]
