"""Packs the bytes that the base has not: DEFLATE with a piece of the base as its window, or LZMA."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from typing import IO, Protocol

from edgewright.contract.delta.format import DICTIONARY_BYTES, MAX_LZMA_BITS, MIN_LZMA_BITS
from edgewright.contract.delta.maker.budget import Effort
from edgewright.contract.delta.source import Source

_TRIED_BYTES = 1 << 18  # up to here every way is tried; beyond, each is judged on a piece
_JUDGED_BYTES = 1 << 17
_PIECE_BYTES = 1 << 18
_LZMA_GAIN = 0.99

Ranges = list[tuple[int, int]]


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def pack_literals(
    literals: IO[bytes], size_bytes: int, base: Source, free: Ranges, effort: Effort, out: IO[bytes]
) -> tuple[int, Ranges]:
    """Write the packed literals to `out`; return the bits of LZMA's window (0 is DEFLATE) and the dictionary's ranges.

    `free` are ranges of the base that are not copied anyway.
    """
    ranges = _dictionary(free) if 0 < size_bytes <= DICTIONARY_BYTES * 8 else []
    literals.seek(0)
    if size_bytes <= _TRIED_BYTES and effort is not Effort.STORED:
        return _shortest(literals.read(), base, ranges, effort, out)
    piece = literals.read(_JUDGED_BYTES)
    packer, bits = _judged(piece, size_bytes, effort)
    literals.seek(0)
    while data := literals.read(_PIECE_BYTES):
        out.write(packer.compress(data))
    out.write(packer.flush())
    return bits, []


def lzma_size(data: bytes) -> int:
    """What LZMA makes of some bytes."""
    packer, _ = _lzma(len(data))
    return len(packer.compress(data)) + len(packer.flush())


def _shortest(data: bytes, base: Source, ranges: Ranges, effort: Effort, out: IO[bytes]) -> tuple[int, Ranges]:
    dictionary = b"".join(base.read(start, stop - start) for start, stop in ranges)
    packer, bits = _lzma(len(data))
    attempts: list[tuple[bytes, int, Ranges]] = [
        (_packed(_deflate(9, b""), data), 0, []),
        (_packed(_deflate(9, dictionary), data), 0, ranges),
    ]
    if effort is Effort.FULL:
        attempts.append((_packed(packer, data), bits, []))
    best = min(attempts, key=lambda attempt: len(attempt[0]) + 4 * len(attempt[2]))
    out.write(best[0])
    return best[1], best[2]


def _judged(piece: bytes, size_bytes: int, effort: Effort) -> tuple[_Packer, int]:
    if effort is Effort.STORED:
        return _deflate(0, b""), 0
    deflated = len(_packed(_deflate(6, b""), piece))
    if effort is Effort.FULL and lzma_size(piece) < _LZMA_GAIN * deflated:
        return _lzma(size_bytes)
    return _deflate(6 if deflated < _LZMA_GAIN * len(piece) else 1, b""), 0


def _packed(packer: _Packer, data: bytes) -> bytes:
    return packer.compress(data) + packer.flush()


def _deflate(level: int, dictionary: bytes) -> _Packer:
    if dictionary:
        return zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return zlib.compressobj(level, zlib.DEFLATED, -15, 9)


def _lzma(size_bytes: int) -> tuple[_Packer, int]:
    bits = min(MAX_LZMA_BITS, max(MIN_LZMA_BITS, size_bytes.bit_length()))
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << bits}]
    return lzma.LZMACompressor(lzma.FORMAT_RAW, filters=chain), bits


def _dictionary(free: Ranges) -> Ranges:
    """The last of the free ranges, together at most DICTIONARY_BYTES."""
    return list(_last(free))[::-1]


def _last(free: Ranges) -> Iterator[tuple[int, int]]:
    room = DICTIONARY_BYTES
    for start, stop in reversed(free):
        if room == 0:
            return
        size = min(room, stop - start)
        yield stop - size, stop
        room -= size
