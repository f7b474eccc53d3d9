"""Elements that nothing predicts: byte planes, with exponents apart from mantissas, and zeros by a mask."""

from __future__ import annotations

import numpy as np

from edgewright.contract.delta.coding.elements import Array, Element
from edgewright.contract.delta.coding.symbols import read_planes, write_planes
from edgewright.contract.delta.reader import Reader
from edgewright.contract.delta.writer import Writer

_PLAIN, _MASKED = 0, 1
_MANY_ZEROS = 0.03  # share of zeros above which a mask of them pays


def write_raw(writer: Writer, values: Array, element: Element) -> None:
    """One block of flat bit patterns."""
    present = values != 0
    if np.count_nonzero(present) > (1 - _MANY_ZEROS) * len(values):
        writer.varint(_PLAIN)
        write_planes(writer, _turned(values, element))
        return
    writer.varint(_MASKED)
    writer.packed(np.packbits(present, bitorder="little").tobytes())
    write_planes(writer, _turned(values[present], element))


def write_stored(writer: Writer, data: memoryview) -> None:
    """One block of int8 elements, not packed: no block is told faster."""
    writer.varint(_PLAIN)
    writer.varint(0)
    writer.raw(data)


def read_raw(reader: Reader, count: int, element: Element) -> Array:
    """`count` bit patterns."""
    if reader.at_most(_MASKED, "form of a raw block") == _PLAIN:
        return _turned_back(read_planes(reader, count, element.dtype), element)
    bits = np.frombuffer(reader.packed((count + 7) // 8), np.uint8)
    present = np.unpackbits(bits, count=count, bitorder="little").astype(bool)
    values = np.zeros(count, element.dtype)
    values[present] = _turned_back(read_planes(reader, int(np.count_nonzero(present)), element.dtype), element)
    return values


def _turned(values: Array, element: Element) -> Array:
    """Floats turned left by a bit, so that the sign is the lowest one and an exponent of 8 bits fills its byte."""
    if not element.is_float:
        return values
    unsigned = values.view(element.unsigned)
    turned: Array = (unsigned << 1) | (unsigned >> (element.size_bytes * 8 - 1))
    return turned.view(element.dtype)


def _turned_back(values: Array, element: Element) -> Array:
    if not element.is_float:
        return values
    unsigned = values.view(element.unsigned)
    turned: Array = (unsigned >> 1) | (unsigned << (element.size_bytes * 8 - 1))
    return turned.view(element.dtype)
