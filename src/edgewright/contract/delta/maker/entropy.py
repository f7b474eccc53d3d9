"""The conditional entropy of residuals, given the contexts by which they are coded: the least that they can cost."""

from __future__ import annotations

import numpy as np

from edgewright.contract.delta.coding.coder import CONTEXTS
from edgewright.contract.delta.coding.elements import Array

_PLAIN_TOKENS = 16  # magnitudes below it are tokens themselves; above, a token is a length and the next 3 bits
_TOKENS = _PLAIN_TOKENS + 8 * 64


class Tally:
    """Counts tokens by context; what lies below a token's bits, and signs, are taken as noise."""

    def __init__(self) -> None:
        self._counts = np.zeros((CONTEXTS, _TOKENS), np.int64)
        self._noise_bits = 0

    def observe(self, contexts: Array, residuals: Array) -> None:
        """Add some residuals, flat, with their contexts."""
        tokens, noise_bits = _tokens(residuals)
        places = contexts.astype(np.int32) * _TOKENS + tokens
        self._counts += np.bincount(places, minlength=self._counts.size).reshape(self._counts.shape)
        self._noise_bits += noise_bits

    @property
    def entropy_bytes(self) -> int:
        """Of all that was observed."""
        bits = sum(entropy_bits(row) for row in self._counts if row.any())
        return int((bits + self._noise_bits) / 8)


def residual_bits(residuals: Array) -> float:
    """Mean bits of a residual, without any context."""
    tokens, noise_bits = _tokens(residuals)
    return (entropy_bits(np.bincount(tokens)) + noise_bits) / max(1, len(residuals))


def entropy_bits(counts: Array) -> float:
    """The entropy of a whole histogram, in bits."""
    present = counts[counts > 0]
    return float(-(present * np.log2(present / present.sum())).sum())


def _tokens(residuals: Array) -> tuple[Array, int]:
    magnitude = np.abs(residuals.astype(np.float64))
    _, length = np.frexp(magnitude)
    is_long = magnitude >= _PLAIN_TOKENS
    extra = np.maximum(length - 4, 0)  # a long token keeps the first bit, by its length, and three more
    head = np.floor(np.ldexp(magnitude, -extra)).astype(np.int64) & 7
    tokens = np.where(is_long, _PLAIN_TOKENS + 8 * (extra - 1) + head, magnitude.astype(np.int64))
    return tokens, int(extra[is_long].sum()) + int(np.count_nonzero(residuals))
