"""Range requests after RFC 9110, section 14: one range of bytes; what cannot be understood counts as not said. Pure."""

from __future__ import annotations

from typing import NamedTuple

MAX_DIGITS = 15


class Span(NamedTuple):
    """`length` bytes from `start` on."""

    start: int
    length: int

    def content_range(self, size_bytes: int) -> str:
        """The header of a 206 (14.4)."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size_bytes}"


class NotSatisfiable(ValueError):
    """The range lies wholly outside the blob: 416 (15.5.17)."""


def span_of(header: str, size_bytes: int) -> Span | None:
    """The bytes that a Range header asks for; None where the whole blob is the answer. Raises NotSatisfiable.

    Several ranges in one request, other units than bytes and bad syntax may be ignored (14.2), and are.
    """
    unit, _, spec = header.partition("=")
    first, dash, last = (part.strip() for part in spec.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not all(_is_number(part) or not part for part in (first, last)):
        return None
    if not first:
        return _suffix(int(last), size_bytes) if last else None
    start, end = int(first), int(last) if last else size_bytes - 1
    if last and end < start:
        return None
    if start >= size_bytes:
        raise NotSatisfiable
    return Span(start, min(end, size_bytes - 1) - start + 1)


def _suffix(length: int, size_bytes: int) -> Span | None:
    """The last `length` bytes; an empty blob has none to give, and is sent as it is."""
    if length == 0:
        raise NotSatisfiable
    return Span(max(0, size_bytes - length), min(length, size_bytes)) if size_bytes else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
