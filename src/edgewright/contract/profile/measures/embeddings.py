"""Embeddings as sums of random Fourier features (Rahimi and Recht 2007): 128 whole numbers that add up exactly.

Rows x become cos(xW) and sin(xW), W being 64 normal directions from a seed, divided by a length. The distance between
two means of them estimates the maximum mean discrepancy under a Gaussian kernel of that length. Each is rounded to
1/127, so that sums are whole numbers and merge exactly; two samples are rounded alike, so nothing is biased by it.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

DIRECTIONS = 64
SUMS = 2 * DIRECTIONS
UNIT = 127
MAX_DIMENSIONS = 4096
"""Of a longer vector, so many of its numbers are looked at."""
SEED = 20_261_121
LENGTH_ROWS = 500
CHUNK_ROWS = 1024
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Projection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes sums comparable: the seed of the directions, and the kernel's length.

    `freedom` is (tr S)²/tr S² of the reference's covariance S of the features (in units of 1): where nothing changed,
    |difference of means|² · freedom / (tr S · (1/n + 1/n_ref)) is about chi-square with so many degrees of freedom
    (Satterthwaite 1946).
    """

    seed: int = SEED
    length: float = 1.0
    freedom: float = 1.0


def fit(rows: Array) -> Projection:
    """The projection for embeddings like `rows`: its length is the median distance between two of them."""
    some = _looked_at(rows[np.isfinite(rows).all(axis=1)].astype(np.float64))
    some = some[:: max(1, len(some) // LENGTH_ROWS)][:LENGTH_ROWS]
    half = len(some) // 2
    apart = np.sqrt(((some[:half, None] - some[None, half : 2 * half]) ** 2).sum(axis=2)) if half else np.zeros((1, 1))
    length = float(np.median(apart))
    projection = Projection(length=length if length > 0 and np.isfinite(length) else 1.0)
    if half < 2:
        return projection
    covariance = np.cov(features_of(some, projection) / UNIT, rowvar=False)
    square = float((covariance * covariance).sum())
    freedom = float(np.trace(covariance)) ** 2 / square if square > 0 else 1.0
    return msgspec.structs.replace(projection, freedom=max(1.0, freedom))


def features_of(rows: Array, projection: Projection) -> Floats:
    """(n, SUMS) whole numbers: first the cosines of all directions, then the sines."""
    seen = _looked_at(rows)
    angles = seen.astype(np.float32) @ _directions(projection.seed, seen.shape[1], projection.length)
    return np.asarray(np.rint(UNIT * np.concatenate([np.cos(angles), np.sin(angles)], axis=1)), np.float64)


def sums_of(rows: Array, projection: Projection) -> Counts:
    """The sums over `rows` (n, dimensions), then how many rows were present and how many missing (not finite)."""
    total = np.zeros(SUMS + 2, np.int64)
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        present = chunk[np.isfinite(chunk).all(axis=1)]
        total[:SUMS] += features_of(present, projection).sum(axis=0).astype(np.int64)
        total[SUMS:] += (len(present), len(chunk) - len(present))
    return total


def _looked_at(rows: Array) -> Array:
    return rows[:, :: -(-rows.shape[1] // MAX_DIMENSIONS)] if rows.shape[1] else rows


@functools.lru_cache(maxsize=8)
def _directions(seed: int, dimensions: int, length: float) -> Array:
    """RandomState, since its numbers are promised never to change (NEP 19)."""
    normal = np.random.RandomState(seed % 2**32).standard_normal((dimensions, DIRECTIONS))
    return np.asarray(normal / length, np.float32)
