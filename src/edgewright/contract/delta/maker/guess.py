"""Sees tensors in files that say nothing about themselves, where two of them have changed as tensors do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewright.contract.delta.coding.elements import BFLOAT16, FLOAT16, FLOAT32, INT8, Array, Element, monotone
from edgewright.contract.delta.maker.containers import Tensor
from edgewright.contract.delta.maker.entropy import residual_bits
from edgewright.contract.delta.source import Source

_SLAB_BYTES = 1 << 20
_MIN_BYTES = 1 << 12
_COLUMNS = 512
_SAMPLE_BYTES = 1 << 12
_SPOTS = 4
_RELATED = 0.9  # share of all bits below which a guess counts: bytes of one kind, but unrelated, stay above
_ELEMENTS = (INT8, FLOAT16, BFLOAT16, FLOAT32)


def guess_tensors(base: Source, new: Source) -> tuple[Tensor, ...]:
    """Tensors that both files may have at the same offsets; none unless the files are of one size."""
    if base.size_bytes != new.size_bytes or new.size_bytes < _MIN_BYTES:
        return ()
    return tuple(_joined(_slabs(base, new)))


def _slabs(base: Source, new: Source) -> Iterator[tuple[int, int, Element]]:
    row_bytes = _COLUMNS * 4
    whole = new.size_bytes // row_bytes * row_bytes
    for start in range(0, whole, _SLAB_BYTES):
        size = min(_SLAB_BYTES, whole - start)
        element = _element_of(base, new, start, size)
        if element is not None:
            yield start, size, element


def _element_of(base: Source, new: Source, start: int, size: int) -> Element | None:
    sample = min(size // _SPOTS, _SAMPLE_BYTES) // 8 * 8
    places = [start + spot * (size // _SPOTS) // 8 * 8 for spot in range(_SPOTS)]
    before = np.frombuffer(b"".join(base.read(place, sample) for place in places), np.uint8)
    after = np.frombuffer(b"".join(new.read(place, sample) for place in places), np.uint8)
    if (before == after).all():
        return None
    shares = {element: _share(before, after, element) for element in _ELEMENTS}
    best = min(shares, key=lambda element: shares[element])
    return best if shares[best] < _RELATED else None


def _share(before: Array, after: Array, element: Element) -> float:
    residuals = monotone(after.view(element.dtype), element) - monotone(before.view(element.dtype), element)
    return residual_bits(residuals) / (8 * element.size_bytes)


def _joined(slabs: Iterator[tuple[int, int, Element]]) -> Iterator[Tensor]:
    last: tuple[int, int, Element] | None = None
    for start, size, element in slabs:
        if last is not None and last[0] + last[1] == start and last[2] == element:
            last = (last[0], last[1] + size, element)
            continue
        if last is not None:
            yield _tensor(*last)
        last = (start, size, element)
    if last is not None:
        yield _tensor(*last)


def _tensor(start: int, size: int, element: Element) -> Tensor:
    return Tensor("", element, (size // element.size_bytes // _COLUMNS, _COLUMNS), start, size)
