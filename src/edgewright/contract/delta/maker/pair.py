"""Finds for each tensor of the new file the one of the base that it grew out of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from edgewright.contract.delta.coding.elements import Array
from edgewright.contract.delta.maker.containers import Tensor
from edgewright.contract.delta.source import Source

_SPOTS, _SPOT_ELEMENTS = 16, 64
_POINTS = 96
_MAX_SCORED = 1 << 20  # pairs of tensors of one shape that are compared by content; beyond, by name and order
_NAME_BONUS = 0.02
_RELATED = 0.6  # share of equal high bytes that chance does not reach
_MIN_TRANSPOSED_ELEMENTS = 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of the new file, or its first rows, and what it grew out of: `base`, or its transpose."""

    new: Tensor
    base: Tensor
    is_transposed: bool = False


def pair_tensors(
    base: Source, base_tensors: Sequence[Tensor], new: Source, new_tensors: Sequence[Tensor]
) -> tuple[Pair, ...]:
    """At most one pair for each new tensor, in the order of their offsets; each base tensor is used once.

    1. Tensors of equal type and shape, by how much they resemble each other: exporters number names anew.
    2. Matrices that resemble a transposed one, where nothing resembles them as it lies.
    3. Tensors that have grown or shrunk by rows, by name.
    """
    pairs = {pair.new: pair for pair in _alike(base, base_tensors, new, new_tensors)}
    used = {pair.base for pair in pairs.values()}
    for pair in list(_transposed(base, base_tensors, new, new_tensors, pairs)):
        pairs[pair.new] = pair
        used.add(pair.base)
    for pair in _resized(base_tensors, new_tensors, pairs, used):
        pairs[pair.new] = pair
    return tuple(sorted(pairs.values(), key=lambda pair: pair.new.offset))


def _alike(base: Source, theirs: Sequence[Tensor], new: Source, ours: Sequence[Tensor]) -> Iterator[Pair]:
    had: dict[object, list[Tensor]] = defaultdict(list)
    have: dict[object, list[Tensor]] = defaultdict(list)
    for tensor in theirs:
        had[tensor.element, tensor.shape].append(tensor)
    for tensor in ours:
        have[tensor.element, tensor.shape].append(tensor)
    for key, some in have.items():
        yield from _pair_alike(base, had[key], new, some)


def _pair_alike(base: Source, theirs: list[Tensor], new: Source, ours: list[Tensor]) -> Iterator[Pair]:
    if len(theirs) == len(ours) == 1:
        yield Pair(ours[0], theirs[0])
        return
    if len(theirs) * len(ours) > _MAX_SCORED:
        yield from _pair_by_name(theirs, ours)
        return
    if not theirs:
        return
    before = np.stack([_sample(base, tensor) for tensor in theirs])
    scores = np.stack([(before == _sample(new, tensor)).mean(axis=1) for tensor in ours])
    scores -= 1e-6 * np.abs(np.arange(len(ours))[:, None] - np.arange(len(theirs)))
    places = {tensor.name: place for place, tensor in enumerate(theirs)}
    for number, tensor in enumerate(ours):
        if tensor.name in places:
            scores[number, places[tensor.name]] += _NAME_BONUS
    for number, place in _best_first(scores):
        yield Pair(ours[number], theirs[place])


def _best_first(scores: Array) -> Iterator[tuple[int, int]]:
    """Row and column of the highest scores, each row and each column once."""
    rows, columns = np.unravel_index(np.argsort(-scores, axis=None, kind="stable"), scores.shape)
    free_rows, free_columns = set(range(scores.shape[0])), set(range(scores.shape[1]))
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            yield row, column


def _pair_by_name(theirs: list[Tensor], ours: list[Tensor]) -> Iterator[Pair]:
    by_name = {tensor.name: tensor for tensor in theirs}
    named = {tensor: by_name.pop(tensor.name) for tensor in ours if tensor.name in by_name}
    yield from (Pair(tensor, origin) for tensor, origin in named.items())
    rest = (tensor for tensor in ours if tensor not in named)
    yield from (Pair(tensor, origin) for tensor, origin in zip(rest, by_name.values(), strict=False))


def _transposed(
    base: Source,
    theirs: Sequence[Tensor],
    new: Source,
    ours: Sequence[Tensor],
    pairs: dict[Tensor, Pair],
) -> Iterator[Pair]:
    """Pairs that resemble each other the other way round, and not as they lie."""
    lost = [tensor for tensor in ours if _is_matrix(tensor) and not _is_related(base, new, pairs.get(tensor))]
    kept = {pair.base for pair in pairs.values() if pair.new not in lost}
    free: dict[object, list[Tensor]] = defaultdict(list)
    for tensor in theirs:
        if _is_matrix(tensor) and tensor not in kept:
            free[tensor.element, tensor.shape[::-1]].append(tensor)
    for tensor in lost:
        candidates = free[tensor.element, tensor.shape]
        points = _points(new, tensor, is_transposed=False)
        scores = [float((points == _points(base, other, is_transposed=True)).mean()) for other in candidates]
        if scores and max(scores) >= _RELATED:
            yield Pair(tensor, candidates.pop(int(np.argmax(scores))), is_transposed=True)


def _is_matrix(tensor: Tensor) -> bool:
    return len(tensor.shape) == 2 and min(tensor.shape) > 1 and prod(tensor.shape) >= _MIN_TRANSPOSED_ELEMENTS


def _is_related(base: Source, new: Source, pair: Pair | None) -> bool:
    if pair is None:
        return False
    return float((_sample(base, pair.base) == _sample(new, pair.new)).mean()) >= _RELATED


def _resized(
    theirs: Iterable[Tensor], ours: Iterable[Tensor], pairs: dict[Tensor, Pair], used: set[Tensor]
) -> Iterator[Pair]:
    free = {(tensor.name, tensor.element, tensor.shape[1:]): tensor for tensor in theirs if tensor not in used}
    for tensor in ours:
        origin = free.get((tensor.name, tensor.element, tensor.shape[1:]))
        if tensor in pairs or origin is None or not tensor.name or not tensor.shape:
            continue
        rows = min(tensor.shape[0], origin.shape[0])
        yield Pair(_first_rows(tensor, rows), _first_rows(origin, rows))


def _first_rows(tensor: Tensor, rows: int) -> Tensor:
    size = tensor.size_bytes // tensor.shape[0] * rows
    return replace(tensor, shape=(rows, *tensor.shape[1:]), size_bytes=size)


def _sample(source: Source, tensor: Tensor) -> Array:
    """The high bytes (sign, exponent, first bits) of values at some spots of the tensor."""
    width = tensor.element.size_bytes
    count = tensor.size_bytes // width
    size = min(count, _SPOT_ELEMENTS)
    spots = np.unique(np.linspace(0, count - size, _SPOTS).astype(np.int64)).tolist()
    data = b"".join(source.read(tensor.offset + spot * width, size * width) for spot in spots)
    return _high_bytes(data, width)


def _points(source: Source, tensor: Tensor, *, is_transposed: bool) -> Array:
    """The high bytes of values at scattered places, or at the places where the transpose has them."""
    width = tensor.element.size_bytes
    rows, columns = tensor.shape[::-1] if is_transposed else tensor.shape
    random = np.random.default_rng(0)
    at_row, at_column = random.integers(0, rows, _POINTS), random.integers(0, columns, _POINTS)
    places = at_column * rows + at_row if is_transposed else at_row * columns + at_column
    data = b"".join(source.read(tensor.offset + place * width, width) for place in places.tolist())
    return _high_bytes(data, width)


def _high_bytes(data: bytes, width: int) -> Array:
    return np.frombuffer(data, np.uint8).reshape(-1, width)[:, -2:].reshape(-1)
