"""Finds the prediction that leaves the smallest residuals; only the maker does this."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewright.contract.delta.coding.elements import INT8, Array, Element, monotone, singles
from edgewright.contract.delta.coding.predict import (
    ELEMENTS,
    MAX_FACTORS,
    MAX_RANK,
    Kind,
    LowRank,
    Prediction,
    Same,
    Scaled,
)
from edgewright.contract.delta.format import block_rows
from edgewright.contract.delta.maker.entropy import residual_bits
from edgewright.contract.delta.rows import Rows

_MIN_ELEMENTS = 1024
_SAMPLE_ELEMENTS = 1 << 16
_SAMPLE_PARTS = 4
_MIN_GAIN_BITS = 0.02  # per element; less is not worth the risk of the sample
_FACTOR_BITS = 18  # what a factor of a row or column costs, about
_FACTOR_MASK = np.int32(-1 << 9)  # bits of a factor that are kept: 15 of the mantissa
_MIN_SIDE = 64
_CORNER = 128
_EXPLAINED = 0.999  # share of an update's energy that a low rank must hold
_ABOVE_NOISE = 4.0


def best_prediction(base: Rows, new: Rows, element: Element) -> Prediction:
    """The one that leaves the fewest bits, with its own parameters counted."""
    rows, columns = base.shape
    if element not in ELEMENTS[Kind.SCALED] or rows * columns < _MIN_ELEMENTS:
        return Same()
    sample = _Sample(base, new, element)
    candidates: list[tuple[float, Prediction]] = [(sample.bits(Same()), Same())]
    candidates += [(sample.bits(scaled) + cost, scaled) for scaled, cost in _scaled(sample, base, new, element)]
    low_rank = _low_rank(base, new, element) if element in ELEMENTS[Kind.LOW_RANK] else None
    if low_rank is not None:
        own_bits = 32 * (low_rank.left.size + low_rank.right.size) / (rows * columns)
        candidates.append((sample.bits(low_rank) + own_bits, low_rank))
    return min(candidates, key=lambda candidate: candidate[0])[1]


class _Sample:
    """Some rows of both tensors, from several places."""

    def __init__(self, base: Rows, new: Rows, element: Element) -> None:
        rows, columns = base.shape
        self._element = element
        count = min(rows, max(1, _SAMPLE_ELEMENTS // _SAMPLE_PARTS // columns))
        self._parts = [(first, base.read(first, count), new.read(first, count)) for first in _places(rows, count)]
        self.before = np.concatenate([before for _, before, _ in self._parts])
        self.after = np.concatenate([after for _, _, after in self._parts])

    def bits(self, prediction: Prediction) -> float:
        """Mean bits of a residual; crude, but alike for every prediction."""
        residuals = [
            monotone(after, self._element) - monotone(prediction.of(before, first), self._element)
            for first, before, after in self._parts
        ]
        return residual_bits(np.concatenate(residuals).reshape(-1))


def _scaled(sample: _Sample, base: Rows, new: Rows, element: Element) -> Iterator[tuple[Scaled, float]]:
    """Scalings with what they cost in bits for each element."""
    rows, columns = base.shape
    with np.errstate(all="ignore"):
        factors = [factor for factor in _factors(sample, element) if np.isfinite(factor) and factor != 1.0]
    for factor in factors:
        yield Scaled(element, Kind.SCALED, np.array([factor], "<f8")), _MIN_GAIN_BITS
    if element != INT8 or min(rows, columns) < 2 or max(rows, columns) > MAX_FACTORS:
        return
    by_row, by_column = _factors_of_rows_and_columns(base, new, element)
    yield Scaled(element, Kind.ROWS_SCALED, by_row), _MIN_GAIN_BITS + _FACTOR_BITS / columns
    yield Scaled(element, Kind.COLUMNS_SCALED, by_column), _MIN_GAIN_BITS + _FACTOR_BITS / rows


def _factors(sample: _Sample, element: Element) -> list[float]:
    """The least squares' factor of int8; of floats the typical one, and its mean over what is but rounded."""
    before = singles(sample.before, element).astype(np.float64).reshape(-1)
    after = singles(sample.after, element).astype(np.float64).reshape(-1)
    usable = np.isfinite(before) & np.isfinite(after) & (before != 0)
    if element == INT8:
        usable &= np.abs(before) < 126  # clipped values say nothing
    if not usable.any():
        return []
    before, after = before[usable], after[usable]
    if element == INT8:
        return [float((before * after).sum() / (before * before).sum())]
    ratios = after / before
    typical = float(np.median(ratios))
    alike = ratios[np.abs(ratios - typical) < 2.0 ** (2 - element.mantissa_bits)]
    return [typical, float(alike.mean())] if len(alike) else [typical]


def _factors_of_rows_and_columns(base: Rows, new: Rows, element: Element) -> tuple[Array, Array]:
    """The least squares' factors of each row and of each column."""
    rows, columns = base.shape
    across, along = np.zeros((2, rows)), np.zeros((2, columns))
    for first, before, after in _blocks(base, new, element):
        is_clipped = np.abs(before) >= 126
        before[is_clipped] = after[is_clipped] = 0
        products, squares = before * after, before * before
        part = slice(first, first + len(before))
        across[:, part] = products.sum(axis=1), squares.sum(axis=1)
        along += products.sum(axis=0), squares.sum(axis=0)
    return _rounded_factors(*across), _rounded_factors(*along)


def _rounded_factors(products: Array, squares: Array) -> Array:
    factors = np.divide(products, squares, out=np.ones_like(products), where=squares > 0).astype("<f4")
    bits: Array = factors.view("<i4") & _FACTOR_MASK
    return bits.view("<f4")


def _low_rank(base: Rows, new: Rows, element: Element) -> LowRank | None:
    """The update's leading singular vectors (Halko, Martinsson and Tropp 2011), if they are nearly all of it."""
    rows, columns = base.shape
    rank = min(MAX_RANK, min(rows * columns // 2, MAX_FACTORS) // (rows + columns))
    if min(rows, columns) < _MIN_SIDE or rank < 1 or not _looks_low_rank(base, new, element):
        return None
    with np.errstate(all="ignore"):
        probe = np.random.default_rng(0).normal(size=(columns, min(rank, columns, rows)))
        basis = np.linalg.qr(_times(base, new, element, _twice(base, new, element, probe)[0]))[0]
        projected = np.zeros((basis.shape[1], columns))
        energy = 0.0
        for first, before, after in _blocks(base, new, element):
            update = after - before
            projected += basis[first : first + len(update)].T @ update
            energy += float((update * update).sum())
    if not np.isfinite(energy) or energy == 0.0:
        return None
    left, strength, right = np.linalg.svd(projected, full_matrices=False)
    held = float((strength * strength).sum()) / energy
    if held < _EXPLAINED:
        return None
    noise = np.sqrt(max(0.0, 1.0 - held) * energy / (rows * columns)) * np.sqrt(max(rows, columns))
    kept = int((strength > _ABOVE_NOISE * noise).sum())
    if kept == 0:
        return None
    root = np.sqrt(strength[:kept])
    return LowRank(
        element, ((basis @ left[:, :kept]) * root).astype("<f4"), (root[:, None] * right[:kept]).astype("<f4")
    )


def _looks_low_rank(base: Rows, new: Rows, element: Element) -> bool:
    """Whether some rows' update is as good as of a rank that could pay: most are not, and this costs little."""
    parts = [_corner(base, new, element, first) for first in _places(base.shape[0], _CORNER // _SAMPLE_PARTS)]
    update = np.concatenate(parts)
    moved = update[update.any(axis=1)]
    if len(moved) < _CORNER // 2 or not np.isfinite(moved).all():
        return False
    strength = np.linalg.svd(moved, compute_uv=False) ** 2
    return bool(strength[: min(moved.shape) // 2].sum() > _EXPLAINED * strength.sum())


def _corner(base: Rows, new: Rows, element: Element, first: int) -> Array:
    count = min(base.shape[0], _CORNER // _SAMPLE_PARTS)
    with np.errstate(all="ignore"):
        before, after = (
            singles(np.ascontiguousarray(part.read(first, count)[:, :_CORNER]), element).astype(np.float64)
            for part in (base, new)
        )
        return after - before


def _places(rows: int, count: int) -> list[int]:
    """Where to read `count` rows, at both ends and between."""
    places: list[int] = np.unique(np.linspace(0, max(0, rows - count), _SAMPLE_PARTS).astype(np.int64)).tolist()
    return places


def _twice(base: Rows, new: Rows, element: Element, probe: Array) -> tuple[Array, Array]:
    """update.T @ (update @ probe), and update @ probe."""
    across = np.zeros((base.shape[0], probe.shape[1]))
    along = np.zeros((base.shape[1], probe.shape[1]))
    for first, before, after in _blocks(base, new, element):
        update = after - before
        across[first : first + len(update)] = update @ probe
        along += update.T @ across[first : first + len(update)]
    return along, across


def _times(base: Rows, new: Rows, element: Element, probe: Array) -> Array:
    """update @ probe."""
    return _twice(base, new, element, probe)[1]


def _blocks(base: Rows, new: Rows, element: Element) -> Iterator[tuple[int, Array, Array]]:
    """The values of both tensors in double precision, some rows at a time."""
    rows, columns = base.shape
    step = block_rows(columns, element)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        before, after = (singles(part.read(first, count), element).astype(np.float64) for part in (base, new))
        yield first, before, after
