"""The rows that are profiled: a reference and a million live ones, of 20 numbers and 5 codes; the same for all."""

from __future__ import annotations

import numpy as np

NUMBERS = 20
CODES = 5
REFERENCE_ROWS = 50_000
LIVE_ROWS = 1_000_000
SHIFTED = 3
"""So many of the numeric columns lie half a standard deviation off in the live rows."""


def reference(rows: int = REFERENCE_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (float32) and codes (int32) as in training."""
    return _rows(np.random.default_rng(1), rows, 0.0)


def live(rows: int = LIVE_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """The same world, with `SHIFTED` columns off."""
    return _rows(np.random.default_rng(2), rows, 0.5)


def _rows(generator: np.random.Generator, rows: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    numbers = generator.standard_normal((rows, NUMBERS), np.float32)
    numbers[:, 5:10] = np.exp(numbers[:, 5:10])
    numbers[:, :SHIFTED] += shift
    codes = generator.geometric(0.2, (rows, CODES)).astype(np.int32)
    return numbers, codes
