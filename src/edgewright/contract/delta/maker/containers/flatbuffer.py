"""Finds its way in a flatbuffer by offsets (https://flatbuffers.dev/internals): tables, their fields, vectors.

All of it raises ValueError, IndexError or struct.error where the bytes are none.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.contract.delta.maker.containers.window import Window

MAX_ITEMS = 1 << 20


def tables(data: Window, table: int, number: int) -> Iterator[int]:
    """Where the tables begin that a vector of them points at."""
    start, count = _vector(data, table, number)
    for item in range(count):
        yield follow(data, start + 4 + 4 * item)


def integers(data: Window, table: int, number: int) -> tuple[int, ...]:
    """A vector of 32-bit integers."""
    start, count = _vector(data, table, number)
    return data.unpack(f"<{count}i", start + 4)


def scalar(data: Window, table: int, number: int, form: str) -> int:
    """A number among a table's fields; 0 if it has its default."""
    place = field(data, table, number)
    return 0 if place is None else int(data.unpack(form, place)[0])


def field(data: Window, table: int, number: int) -> int | None:
    """Where a field of a table lies, by the table's list of fields; None if it has its default."""
    fields = table - data.unpack("<i", table)[0]
    size = data.unpack("<H", fields)[0]
    if 4 + 2 * number >= size:
        return None
    offset = data.unpack("<H", fields + 4 + 2 * number)[0]
    return table + offset if offset else None


def follow(data: Window, at: int) -> int:
    """Where an offset leads."""
    return int(at + data.unpack("<I", at)[0])


def _vector(data: Window, table: int, number: int) -> tuple[int, int]:
    """Where a vector begins, and how many items it has; none if it is not there."""
    place = field(data, table, number)
    if place is None:
        return 0, 0
    start = follow(data, place)
    count = data.unpack("<I", start)[0]
    if count > MAX_ITEMS:
        raise ValueError("a vector has too many items")
    return start, count
