"""Finds the prediction that leaves the smallest residuals; only the maker does this."""

from __future__ import annotations

import numpy as np

from edgewright.contract.delta.elements import FLOAT32, INT8, Array, Element
from edgewright.contract.delta.predict import MAX_FACTOR_ELEMENTS, LowRank, Prediction, Same, Scaled

_MIN_ELEMENTS = 1024
_SAMPLE = 1 << 16
_MIN_GAIN_BITS = 0.02  # per element; less is not worth the factor's bytes, nor the risk of the sample
_MIN_SIDE, _MAX_RANK, _MAX_DENSE_ELEMENTS = 64, 32, 1 << 24
_EXPLAINED = 0.9999  # share of an update's energy that a low rank must hold
_ABOVE_NOISE = 4.0


def best_prediction(base: Array, new: Array, element: Element) -> Prediction:
    """The one that leaves the fewest bits, with its own parameters counted; bit patterns as rows and columns."""
    if element not in (FLOAT32, INT8) or base.size < _MIN_ELEMENTS:
        return Same()
    candidates: list[tuple[float, Prediction]] = [(_left_bits(Same(), base, new), Same())]
    factor = _factor(*_sampled(base, new), element)
    if factor is not None:
        candidates.append((_left_bits(Scaled(factor), base, new) + _MIN_GAIN_BITS, Scaled(factor)))
    low_rank = _low_rank(base, new) if element == FLOAT32 else None
    if low_rank is not None:
        own_bits = 32 * (low_rank.left.size + low_rank.right.size) / base.size
        candidates.append((_left_bits(low_rank, base, new) + own_bits, low_rank))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _factor(base: Array, new: Array, element: Element) -> float | None:
    kind = "<f4" if element == FLOAT32 else "<i1"
    with np.errstate(all="ignore"):
        before, after = base.view(kind).astype(np.float64), new.view(kind).astype(np.float64)
        usable = np.isfinite(before) & np.isfinite(after) & (before != 0)
        if element == INT8:
            usable &= np.abs(before) < 126  # clipped values say nothing
        if not usable.any():
            return None
        before, after = before[usable], after[usable]
        best = (before * after).sum() / (before * before).sum() if element == INT8 else np.median(after / before)
        factor = float(np.float32(best))
    return factor if np.isfinite(factor) and factor != 1.0 else None


def _low_rank(base: Array, new: Array) -> LowRank | None:
    """The update's leading singular vectors (Halko, Martinsson and Tropp 2011), if they are nearly all of it."""
    if min(base.shape) < _MIN_SIDE or base.size > _MAX_DENSE_ELEMENTS:
        return None
    with np.errstate(all="ignore"):
        update = new.view("<f4").astype(np.float64) - base.view("<f4").astype(np.float64)
        energy = float((update * update).sum())
    if not np.isfinite(energy) or energy == 0.0:
        return None
    probe = np.random.default_rng(0).normal(size=(update.shape[1], _MAX_RANK))
    basis = np.linalg.qr(update @ (update.T @ (update @ probe)))[0]
    left, strength, right = np.linalg.svd(basis.T @ update, full_matrices=False)
    held = float((strength * strength).sum()) / energy
    if held < _EXPLAINED:
        return None
    noise = np.sqrt(max(0.0, 1.0 - held) * energy / update.size) * np.sqrt(max(update.shape))
    rank = int((strength > _ABOVE_NOISE * noise).sum())
    if rank == 0 or rank * sum(base.shape) > min(base.size, MAX_FACTOR_ELEMENTS):
        return None
    root = np.sqrt(strength[:rank])
    return LowRank(((basis @ left[:, :rank]) * root).astype("<f4"), (root[:, None] * right[:rank]).astype("<f4"))


def _left_bits(prediction: Prediction, base: Array, new: Array) -> float:
    """Mean bits of a residual over some rows; crude, but alike for every prediction."""
    rows = max(1, _SAMPLE // base.shape[1])
    with np.errstate(all="ignore"):
        predicted = prediction.of(base[:rows], 0).astype(np.float64)
        return float(np.log2(np.abs(new[:rows].astype(np.float64) - predicted) + 1).mean())


def _sampled(base: Array, new: Array) -> tuple[Array, Array]:
    step = max(1, base.size // _SAMPLE)
    return base.reshape(-1)[::step], new.reshape(-1)[::step]
