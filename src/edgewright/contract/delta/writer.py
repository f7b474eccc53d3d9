"""Numbers and bytes in the delta's own form; what `reader` reads."""

from __future__ import annotations

import zlib

_SMALL_BYTES = 1 << 11  # up to here everything is tried
_PROBE_BYTES = 1 << 13
_RUNS_WIN = 0.98  # share of the bytes with runs alone above which repeats are not worth looking for


class Writer:
    """Collects varints and packed bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def varint(self, value: int) -> None:
        """An unsigned LEB128 integer."""
        while value > 127:
            self.data.append(value & 127 | 128)
            value >>= 7
        self.data.append(value)

    def signed(self, value: int) -> None:
        """A signed integer, zigzag then LEB128."""
        self.varint(-2 * value - 1 if value < 0 else 2 * value)

    def raw(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes whose number the reader knows."""
        self.data += data

    def packed(self, data: bytes, *, may_repeat: bool = True) -> None:
        """Bytes whose unpacked number the reader knows: 0 and the bytes, or a length and raw DEFLATE.

        Longer repeats than runs are looked for if they are likely (`may_repeat`), as that takes time.
        """
        if not data:
            return
        best = _smallest_deflate(data, may_repeat)
        if len(best) < len(data):
            self.varint(len(best))
            self.data += best
        else:
            self.varint(0)
            self.data += data


def deflate(data: bytes, dictionary: bytes = b"") -> bytes:
    """Compress with raw DEFLATE at its best level."""
    return _deflate(data, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)


def _smallest_deflate(data: bytes, may_repeat: bool) -> bytes:
    attempts = [_deflate(data, 1, zlib.Z_HUFFMAN_ONLY), _deflate(data, 6, zlib.Z_RLE)]
    if len(data) <= _SMALL_BYTES or (may_repeat and _repeats(data)):
        attempts.append(_deflate(data, 6))
    return min(attempts, key=len)


def _repeats(data: bytes) -> bool:
    """Whether looking for repeats pays, judged on two pieces."""
    for start in (len(data) // 8, len(data) * 5 // 8):
        piece = data[start : start + _PROBE_BYTES]
        if len(_deflate(piece, 6)) < _RUNS_WIN * len(_deflate(piece, 6, zlib.Z_RLE)):
            return True
    return False


def _deflate(data: bytes, level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY, dictionary: bytes = b"") -> bytes:
    if dictionary:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy, dictionary)
    else:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush()
