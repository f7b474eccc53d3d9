"""Finds what two files have in common: equal byte ranges anywhere, and tensors that grew out of one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.elements import Array
from edgewright.contract.delta.maker.containers import Tensor

WINDOW_BYTES = 24

_STRIDE_BYTES = WINDOW_BYTES // 2
_PIECE_BYTES = _STRIDE_BYTES << 16
_FILTER_BITS = 22
_FILTER_SHIFT = np.uint64(64 - _FILTER_BITS)
_SAMPLES = 1024
_MAX_SCORED = 4096  # pairs of tensors of one shape that are compared by content; beyond, by name and order
_NAME_BONUS = 0.02


@dataclass(frozen=True, slots=True)
class Match:
    """`size_bytes` bytes at `new` equal those at `base`."""

    new: int
    base: int
    size_bytes: int


class ByteMatcher:
    """An index of windows in ranges of a base, against which ranges of another file are matched greedily."""

    def __init__(self, base: bytes, ranges: Iterable[tuple[int, int]]) -> None:
        self._base = base
        found = [part for start, stop in ranges for part in _keys_in_pieces(base, start, stop, _STRIDE_BYTES)]
        keys = np.concatenate([keys for _, keys in found] or [np.zeros(0, np.uint64)])
        offsets = np.concatenate([at for at, _ in found] or [np.zeros(0, np.int64)])
        order = np.argsort(keys, kind="stable")
        self._keys, self._offsets = keys[order], offsets[order]
        self._seen = np.zeros(1 << _FILTER_BITS, bool)
        self._seen[self._keys >> _FILTER_SHIFT] = True

    def matches(self, new: bytes, start: int, stop: int) -> Iterator[Match]:
        """Equal ranges of at least WINDOW_BYTES within new[start:stop], in order, none over another."""
        done, shift = start, 0
        for position, offset in self._candidates(new, start, stop):
            if position < done:
                continue
            follows = max(0, position + shift)
            if shift and new[position : position + WINDOW_BYTES] == self._base[follows : follows + WINDOW_BYTES]:
                offset = follows
            forth = _common_prefix(new, position, stop, self._base, offset)
            if forth < WINDOW_BYTES:
                continue
            back = _common_suffix(
                new[max(done, position - _STRIDE_BYTES) : position], self._base[max(0, offset - _STRIDE_BYTES) : offset]
            )
            yield Match(position - back, offset - back, back + forth)
            done, shift = position + forth, offset - position

    def _candidates(self, new: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
        if not len(self._keys):
            return
        for positions, keys in _keys_in_pieces(new, start, stop, 1):
            maybe = np.flatnonzero(self._seen[keys >> _FILTER_SHIFT])
            place = np.minimum(np.searchsorted(self._keys, keys[maybe]), len(self._keys) - 1)
            hit = self._keys[place] == keys[maybe]
            yield from zip(positions[maybe[hit]].tolist(), self._offsets[place[hit]].tolist(), strict=True)


def pair_tensors(
    base: bytes, base_tensors: Sequence[Tensor], new: bytes, new_tensors: Sequence[Tensor]
) -> dict[Tensor, Tensor]:
    """For each new tensor the base tensor of equal type and shape that it resembles most; each is used once.

    Names are hints only: exporters number them anew.
    """
    had: dict[object, list[Tensor]] = defaultdict(list)
    have: dict[object, list[Tensor]] = defaultdict(list)
    for tensor in base_tensors:
        had[tensor.element, tensor.shape].append(tensor)
    for tensor in new_tensors:
        have[tensor.element, tensor.shape].append(tensor)
    pairs: dict[Tensor, Tensor] = {}
    for key, ours in have.items():
        pairs.update(_pair_alike(base, had[key], new, ours))
    return pairs


def _pair_alike(base: bytes, theirs: list[Tensor], new: bytes, ours: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    if len(theirs) * len(ours) > _MAX_SCORED:
        yield from _pair_by_name(theirs, ours)
        return
    before = [_sample(base, tensor) for tensor in theirs]
    after = [_sample(new, tensor) for tensor in ours]
    scores = [
        (float((x == y).mean()) + _NAME_BONUS * (ours[i].name == theirs[j].name) - 1e-6 * abs(i - j), i, j)
        for i, y in enumerate(after)
        for j, x in enumerate(before)
    ]
    free_ours, free_theirs = set(range(len(ours))), set(range(len(theirs)))
    for _, i, j in sorted(scores, reverse=True):
        if i in free_ours and j in free_theirs:
            free_ours.remove(i)
            free_theirs.remove(j)
            yield ours[i], theirs[j]


def _pair_by_name(theirs: list[Tensor], ours: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    by_name = {tensor.name: tensor for tensor in theirs}
    named = [(tensor, by_name.pop(tensor.name)) for tensor in ours if tensor.name in by_name]
    yield from named
    taken = {tensor.offset for tensor, _ in named}
    rest = (tensor for tensor in ours if tensor.offset not in taken)
    yield from zip(rest, by_name.values(), strict=False)


def _sample(data: bytes, tensor: Tensor) -> Array:
    """The high bytes (sign, exponent, first bits) of values spread over the tensor."""
    width = tensor.element.size_bytes
    rows = np.frombuffer(data, np.uint8, tensor.size_bytes, tensor.offset).reshape(-1, width)
    return rows[:: max(1, len(rows) // _SAMPLES), -2:]


def _keys_in_pieces(data: bytes, start: int, stop: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Positions and 64-bit hashes of the windows within data[start:stop], every `stride` bytes, piece by piece."""
    for first in range(start, stop - WINDOW_BYTES + 1, _PIECE_BYTES):
        last = min(stop, first + _PIECE_BYTES + WINDOW_BYTES - 1)
        keys = _window_keys(np.frombuffer(data, np.uint8, last - first, first))[::stride]
        yield np.arange(len(keys)) * stride + first, keys


def _window_keys(data: Array) -> Array:
    words = np.lib.stride_tricks.sliding_window_view(data, 8)
    words = np.ascontiguousarray(words).view("<u8").reshape(-1)
    count = len(data) - WINDOW_BYTES + 1
    keys = np.zeros(count, np.uint64)
    for part in range(0, WINDOW_BYTES, 8):
        keys = (keys ^ words[part : part + count]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys * np.uint64(0xBF58476D1CE4E5B9)


def _common_prefix(new: bytes, start: int, stop: int, base: bytes, offset: int) -> int:
    limit = min(stop - start, len(base) - offset)
    size, step = 0, 256
    while size < limit:
        step = min(step, limit - size)
        if new[start + size : start + size + step] != base[offset + size : offset + size + step]:
            return size + _first_difference(new, start + size, base, offset + size, step)
        size += step
        step = min(2 * step, 1 << 20)
    return size


def _first_difference(new: bytes, start: int, base: bytes, offset: int, size: int) -> int:
    ours = np.frombuffer(new, np.uint8, size, start)
    return int(np.argmax(ours != np.frombuffer(base, np.uint8, size, offset)))


def _common_suffix(ours: bytes, theirs: bytes) -> int:
    size = 0
    while size < min(len(ours), len(theirs)) and ours[-1 - size] == theirs[-1 - size]:
        size += 1
    return size
