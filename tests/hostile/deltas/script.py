"""Deltas written by hand, operation by operation, sound or not: what no maker would write on its own."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Sequence

import numpy as np

from edgewright.contract.delta.coding.blocks import write_block
from edgewright.contract.delta.coding.elements import Array, Element
from edgewright.contract.delta.coding.predict import Prediction, Same
from edgewright.contract.delta.coding.raw import write_raw
from edgewright.contract.delta.format import Header, Op, block_rows, masked_rows
from edgewright.contract.delta.writer import Writer, deflate

TEXT = b"".join(b"line %d of a header that both files have\n" % number for number in range(40))
"""What lies outside tensors."""

Range = tuple[int, int]  # a place in the base, and a length in bytes


class Script:
    """Operations on `base`, and the result that they make; `finish` is the delta file.

    The literals are raw DEFLATE with `dictionary` (ranges of the base), or raw LZMA2 if `lzma_bits` is not 0.
    """

    def __init__(self, base: bytes, dictionary: Sequence[Range] = (), lzma_bits: int = 0) -> None:
        self.base = base
        self.result = bytearray()
        self.literals = bytearray()
        self.script, self.payload = Writer(), Writer()
        self._dictionary = b"".join(base[start : start + size] for start, size in dictionary)
        self._lzma_bits = lzma_bits
        self._cursor = 0
        self._pending: dict[Element, list[tuple[int, bytes]]] = {}
        self.script.varint(lzma_bits)
        if lzma_bits == 0:
            self.script.varint(len(dictionary))
            self._write_dictionary(dictionary)

    def copy(self, start: int, size: int) -> Script:
        self._op(Op.COPY, size)
        self._seek(start, size)
        self.result += self.base[start : start + size]
        return self

    def literal(self, data: bytes) -> Script:
        self._op(Op.LITERAL, len(data))
        self.literals += data
        self.result += data
        return self

    def delta(self, start: int, new: Array, element: Element, prediction: Prediction | None = None) -> Script:
        """`new` is (rows, columns) of bit patterns that grew out of those at `start`."""
        self._op(Op.DELTA, element.code, new.shape[1], new.shape[0])
        self._seek(start, new.nbytes)
        return self._change(self.at(start, element, *new.shape), new, element, prediction)

    def transposed(self, start: int, new: Array, element: Element) -> Script:
        """As `delta`, out of the transpose of what lies at `start`."""
        self._op(Op.TRANSPOSED, element.code, new.shape[1], new.shape[0])
        self._seek(start, new.nbytes)
        return self._change(np.ascontiguousarray(self.at(start, element, *new.shape[::-1]).T), new, element, None)

    def raw(self, new: Array, element: Element) -> Script:
        self._op(Op.RAW, element.code, len(new))
        write_raw(self.payload, new, element)
        self.result += new.tobytes()
        return self

    def group(self, members: Sequence[tuple[int, Array]], element: Element) -> Script:
        """Members are flat bit patterns, each with its place in the base."""
        self._op(Op.GROUP, element.code, len(members))
        for start, new in members:
            self.script.varint(len(new))
            self._seek(start, new.nbytes)
        before = np.concatenate([self.at(start, element, 1, len(new))[0] for start, new in members])
        after = np.concatenate([new for _, new in members])
        write_block(self.payload, before.reshape(1, -1), after.reshape(1, -1), element)
        self._pending[element] = [(start + new.nbytes, new.tobytes()) for start, new in members]
        return self

    def member(self, element: Element) -> Script:
        self._op(Op.MEMBER, element.code)
        self._cursor, data = self._pending[element].pop(0)
        self.result += data
        return self

    def numbers(self, *numbers: int) -> Script:
        """Numbers of the script as they are."""
        for number in numbers:
            self.script.varint(number)
        return self

    def at(self, start: int, element: Element, rows: int, columns: int) -> Array:
        """Bit patterns of the base."""
        return np.frombuffer(self.base, element.dtype, rows * columns, start).reshape(rows, columns)

    def finish(self, *, result: bytes | None = None, script_tail: bytes = b"", tail: bytes = b"") -> bytes:
        """The file; `result` is what the header says where that is not what was made."""
        made = bytes(self.result) if result is None else result
        script = deflate(bytes(self.script.data)) + script_tail
        literals = self._packed_literals()
        writer = Writer()
        digests = hashlib.sha256(self.base).digest(), hashlib.sha256(made).digest()
        Header(*digests, len(self.base), len(made), len(script), len(literals)).write(writer)
        return bytes(writer.data) + script + literals + bytes(self.payload.data) + tail

    def _change(self, before: Array, new: Array, element: Element, prediction: Prediction | None) -> Script:
        prediction = prediction or Same()
        prediction.write(self.payload)
        predicted = prediction.of(before, 0)
        few, many = block_rows(new.shape[1], element), masked_rows(new.shape[1], element)
        first = 0
        while first < len(new):
            changed = np.count_nonzero((predicted != new)[first : first + many].any(axis=1))
            size = min(many if changed <= few else few, len(new) - first)
            self.payload.varint(size)
            write_block(self.payload, predicted[first : first + size], new[first : first + size], element)
            first += size
        self.result += new.tobytes()
        return self

    def _op(self, op: Op, *numbers: int) -> None:
        self.numbers(op, *numbers)

    def _seek(self, start: int, size: int) -> None:
        self.script.signed(start - self._cursor)
        self._cursor = start + size

    def _packed_literals(self) -> bytes:
        if self._lzma_bits == 0:
            return deflate(bytes(self.literals), self._dictionary)
        chain = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << self._lzma_bits}]
        return lzma.compress(bytes(self.literals), lzma.FORMAT_RAW, filters=chain)

    def _write_dictionary(self, ranges: Sequence[Range]) -> None:
        last = 0
        for start, size in ranges:
            self.numbers(start - last, size)
            last = start + size
