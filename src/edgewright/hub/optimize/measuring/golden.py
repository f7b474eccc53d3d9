"""Golden vectors: rows of the hold-out with a variant's own answers, by which a device tests its runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.contract import arrays

ROWS = 32


def choose(rows: int) -> np.ndarray:
    """Which of `rows` rows are golden: ROWS of them, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, min(ROWS, rows)).round().astype(np.int64))


def encode(inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of golden.safetensors: 'in:<name>' and 'out:<name>', inputs as apps pass them."""
    named = {f"in:{name}": array for name, array in inputs.items()}
    named |= {f"out:{name}": array for name, array in outputs.items()}
    return arrays.encode(named)
