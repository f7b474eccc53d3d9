"""Discrete Laplace noise on counts, sampled exactly: no floats, whole numbers from a cryptographic source.

Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy (2020), algorithms 1 and 2. Two windows are
neighbours where one row (or one tap) of them differs; how many rows there are is public. A window's epsilon is shared
out evenly among its features (basic composition), and the noise on a feature's slots is scaled to how far one row can
move them together. What a device tells of itself (memory, CPU, temperature) is about nobody, and has no noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgewright.contract.data_policy import Privacy
from edgewright.contract.profile.features import FeatureKind
from edgewright.contract.profile.measures.embeddings import DIRECTIONS, SUMS, UNIT
from edgewright.contract.profile.measures.quality import STUCK_ROWS
from edgewright.contract.profile.schema import Schema

Below = Callable[[int], int]
"""A whole number from 0 up to, not including, the argument, all equally likely: secrets.randbelow."""
Counts = npt.NDArray[np.int64]

_EMBEDDING = math.isqrt(8 * (UNIT * DIRECTIONS) ** 2) + 1 + SUMS + 2
SENSITIVITY = {
    FeatureKind.NUMERIC: 2,  # one slot less, another more
    FeatureKind.CATEGORICAL: 2,
    FeatureKind.LATENCY: 2,
    FeatureKind.EMBEDDING: _EMBEDDING,  # |cos - cos'| + |sin - sin'| <= 2 sqrt(2) each, rounded; and its last two slots
    FeatureKind.QUALITY: 3 + STUCK_ROWS,  # refused, missing, out of range, and the run that it breaks
    FeatureKind.FEEDBACK: 2,
}
"""How far one row moves a feature's slots, added up (L1)."""


def protect(counts: Counts, schema: Schema, privacy: Privacy, below: Below) -> Counts:
    """One window's counts as they may leave the device. Categories are folded after the noise, which costs nothing."""
    found = add_noise(counts, schema, privacy.epsilon_milli, below) if privacy.epsilon_milli else counts
    return fold(found, schema, privacy.min_category_rows) if privacy.min_category_rows else found


def fold(counts: Counts, schema: Schema, min_rows: int) -> Counts:
    """Count each category with fewer than `min_rows` rows as 'other': the rows stay the same."""
    folded = counts.copy()
    for place in schema.of_kind(FeatureKind.CATEGORICAL):
        named = folded[schema.offsets[place] : schema.offsets[place + 1] - 2]
        is_rare = named < min_rows
        folded[schema.offsets[place + 1] - 2] += named[is_rare].sum()
        named[is_rare] = 0
    return folded


def add_noise(counts: Counts, schema: Schema, epsilon_milli: int, below: Below) -> Counts:
    """All slots of one window with noise for `epsilon_milli` thousandths of epsilon; they may be below zero then."""
    noisy = counts.copy()
    for span, numerator, denominator in _scales(schema, epsilon_milli):
        noise = [discrete_laplace(numerator, denominator, below) for _ in range(span.start, span.stop)]
        noisy[span] += np.array(noise, np.int64)
    return noisy


def noise_variance(schema: Schema, epsilon_milli: int) -> npt.NDArray[np.float64]:
    """The variance of the noise on each slot of one window; zeros where it has none.

    Windows that were merged add theirs up.
    """
    variance = np.zeros(schema.offsets[-1])
    for span, numerator, denominator in _scales(schema, epsilon_milli) if epsilon_milli else ():
        share = math.exp(-denominator / numerator)
        variance[span] = 2 * share / (1 - share) ** 2
    return variance


def discrete_laplace(numerator: int, denominator: int, below: Below) -> int:
    """A whole number k with a probability in proportion to exp(-|k| · denominator / numerator). Algorithm 2."""
    while True:
        fine = below(numerator)
        if not _is_exp(fine, numerator, below):
            continue
        coarse = 0
        while _is_exp(1, 1, below):
            coarse += 1
        size = (fine + numerator * coarse) // denominator
        is_negative = below(2) == 1
        if not (is_negative and size == 0):
            return -size if is_negative else size


def _is_exp(numerator: int, denominator: int, below: Below) -> bool:
    """True with the probability exp(-numerator / denominator), which is at most 1 and at least 1/e. Algorithm 1."""
    turn = 1
    while below(denominator * turn) < numerator:
        turn += 1
    return turn % 2 == 1


def _scales(schema: Schema, epsilon_milli: int) -> list[tuple[slice, int, int]]:
    """The slots of each feature that gets noise, and the scale of it as a fraction."""
    noisy = [feature for feature in schema.features if feature.kind in SENSITIVITY]
    found = []
    for feature in noisy:
        numerator = SENSITIVITY[feature.kind] * len(noisy) * 1000
        shared = math.gcd(numerator, epsilon_milli)
        found.append((schema.span(feature.name), numerator // shared, epsilon_milli // shared))
    return found
