"""Finds equal byte ranges between two files, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.coding.elements import Array
from edgewright.contract.delta.source import Source

WINDOW_BYTES = 24

_MAX_ANCHORS = 1 << 19
_PIECE_BYTES = 1 << 17
_COMPARED_BYTES = 1 << 18
_MIX, _MIX_AGAIN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SALT = np.uint64(0x5851F42D4C957F2D)  # runs of one byte are no anchors


@dataclass(frozen=True, slots=True)
class Match:
    """`size_bytes` bytes at `new` equal those at `base`."""

    new: int
    base: int
    size_bytes: int


class ByteMatcher:
    """An index of windows in ranges of a base, against which ranges of another file are matched greedily.

    Windows are anchored where a hash of their first bytes says so, on both sides alike, and the more sparsely the
    longer the ranges are: the index has a fixed size, and what is equal over some lengths of the spacing is found.
    """

    def __init__(self, base: Source, ranges: Iterable[tuple[int, int]]) -> None:
        self._base = base
        found = [(start, stop) for start, stop in ranges if stop - start >= WINDOW_BYTES]
        total = sum(stop - start for start, stop in found)
        self._sparseness = max(0, (total // _MAX_ANCHORS).bit_length())
        self._min_bytes = max(WINDOW_BYTES, (1 << self._sparseness) // 4)
        parts = [part for start, stop in found for part in self._anchors(base, start, stop)]
        offsets = np.concatenate([at for at, _ in parts] or [np.zeros(0, np.int64)])
        self._keys, first = np.unique(
            np.concatenate([keys for _, keys in parts] or [np.zeros(0, np.uint64)]), return_index=True
        )
        self._offsets = offsets[first]

    def matches(self, new: Source, start: int, stop: int) -> Iterator[Match]:
        """Equal ranges of at least WINDOW_BYTES within new[start:stop], in order, none over another."""
        candidates = _Candidates(self, new, stop)
        position, done, shift = start, start, 0
        while position < stop:
            size = self._common(new, position, stop, position + shift)
            origin = position + shift
            if size < self._min_bytes:
                candidate = candidates.next(position)
                if candidate is None:
                    return
                position, found = candidate
                size, origin = max((self._common(new, position, stop, at), at) for at in (found, position + shift))
            if size < self._min_bytes:
                position += max(1, size)
                continue
            back = _common_suffix(new, done, position, self._base, origin)
            yield Match(position - back, origin - back, back + size)
            position, shift = position + size, origin - position
            done = position

    def lookup(self, new: Source, start: int, stop: int) -> tuple[Array, Array]:
        """Positions in new[start:stop] whose windows the base has, and where it has them."""
        positions, offsets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for at, keys in self._anchors(new, start, stop) if len(self._keys) else ():
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            hit = self._keys[place] == keys
            positions.append(at[hit])
            offsets.append(self._offsets[place[hit]])
        return np.concatenate(positions), np.concatenate(offsets)

    def _common(self, new: Source, start: int, stop: int, origin: int) -> int:
        return _common_prefix(new, start, stop, self._base, origin) if origin >= 0 else 0

    def _anchors(self, source: Source, start: int, stop: int) -> Iterator[tuple[Array, Array]]:
        """Positions and 64-bit hashes of the anchored windows within source[start:stop], piece by piece."""
        for first in range(start, stop - WINDOW_BYTES + 1, _PIECE_BYTES):
            size = min(stop - first, _PIECE_BYTES + WINDOW_BYTES - 1)
            data = np.frombuffer(source.read(first, size), np.uint8)
            words = np.lib.stride_tricks.sliding_window_view(data, 8)
            words = np.ascontiguousarray(words).view("<u8").reshape(-1)
            mixed = (words[: size - WINDOW_BYTES + 1] ^ _SALT) * _MIX
            if self._sparseness:
                at = np.flatnonzero(mixed >> np.uint64(64 - self._sparseness) == 0)
                mixed = mixed[at]
            else:
                at = np.arange(len(mixed))
            for part in (8, 16):
                mixed = (mixed ^ (mixed >> np.uint64(29)) ^ words[at + part]) * _MIX_AGAIN
            yield at + first, mixed


def equal_at_start(base: Source, at: int, new: Source, start: int, size_bytes: int) -> int:
    """How many of `size_bytes` bytes from base[at] and new[start] on are equal before the first that is not."""
    return _common_prefix(new, start, start + size_bytes, base, at)


def equal_at_end(base: Source, end: int, new: Source, stop: int, size_bytes: int) -> int:
    """How many of `size_bytes` bytes before base[end] and new[stop] are equal behind the last that is not."""
    return _common_suffix(new, stop - size_bytes, stop, base, end)


class _Candidates:
    """Positions of the new file whose windows the base has, looked up no further than they are asked for."""

    def __init__(self, matcher: ByteMatcher, new: Source, stop: int) -> None:
        self._matcher = matcher
        self._new = new
        self._looked, self._stop = 0, stop
        self._positions, self._offsets = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def next(self, position: int) -> tuple[int, int] | None:
        """The first at or behind `position`, and where the base has it."""
        while True:
            place = int(np.searchsorted(self._positions, position))
            if place < len(self._positions):
                return int(self._positions[place]), int(self._offsets[place])
            start = max(position, self._looked)
            if start + WINDOW_BYTES > self._stop:
                return None
            stop = min(self._stop, start + _PIECE_BYTES + WINDOW_BYTES - 1)
            self._positions, self._offsets = self._matcher.lookup(self._new, start, stop)
            self._looked = stop - WINDOW_BYTES + 1


def _common_prefix(new: Source, start: int, stop: int, base: Source, origin: int) -> int:
    limit = min(stop - start, base.size_bytes - origin)
    size, step = 0, 256
    while size < limit:
        step = min(step, limit - size)
        ours, theirs = new.read(start + size, step), base.read(origin + size, step)
        if bytes(ours) != bytes(theirs):  # bytes are compared many at a time, memoryviews one by one
            return size + _first_difference(ours, theirs)
        size += step
        step = min(4 * step, _COMPARED_BYTES)
    return max(0, size)


def _first_difference(ours: memoryview, theirs: memoryview) -> int:
    return int(np.argmax(np.frombuffer(ours, np.uint8) != np.frombuffer(theirs, np.uint8)))


def _common_suffix(new: Source, start: int, stop: int, base: Source, origin: int) -> int:
    """How many bytes before new[stop] and base[origin] are equal, no further back than `start`."""
    limit = min(stop - start, origin)
    size, step = 0, 64
    while size < limit:
        step = min(step, limit - size)
        ours = np.frombuffer(new.read(stop - size - step, step), np.uint8)[::-1]
        theirs = np.frombuffer(base.read(origin - size - step, step), np.uint8)[::-1]
        differs = ours != theirs
        if differs.any():
            return size + int(np.argmax(differs))
        size += step
        step = min(4 * step, _COMPARED_BYTES)
    return size
