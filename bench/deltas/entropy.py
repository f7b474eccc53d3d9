"""The least that a delta could cost: the conditional entropy of what changed, estimated from the pair itself.

Each tensor of the new file is paired with the base's tensor of its kind and shape that is nearest in sampled values.
Tensors of fewer than 4096 elements are joined to one row per kind: their statistics alone would be too thin. Per pair:

1. Predicted is the base, or the base times the factor that fits best (weight decay), whichever is cheaper.
2. Rows in which nothing changed cost the entropy of one bit a row; all else is about the other rows.
3. A residual is the difference of the bit patterns, floats mapped to integers in the order of their values. It is told
   as a token (sign, seen from zero, and magnitude to a quarter of an octave) and the bits below, taken as they are.
4. Tokens cost their empirical entropy given a context, with Miller and Madow's correction for finite samples. Contexts:
   none; the exponent of the predicted value; or the half-octave of (row level and/or column level) relative to that
   exponent, a level being the mean magnitude of change in the row or column, whose own entropy is charged too.
   The cheapest of these five is taken, tensor by tensor.

Left out, and so free here: the bytes between tensors, the code tables, which tensor belongs to which. A tensor without
a partner costs the order-0 entropy of its byte planes. `python -m deltas.entropy BASE NEW` prints the bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deltas.tensors import BYTES, FLOAT_BYTES, Place, places

SMALL = 4096
SAMPLES = 1024
EXPONENT = {"F16": (10, 31), "BF16": (7, 255), "F32": (23, 255)}  # mantissa bits, mask
LEVEL_FLOOR = 2.0**-10


def limit_bytes(base: Path, new: Path) -> int:
    """The estimate for one pair of files."""
    before, after = base.read_bytes(), new.read_bytes()
    bits = 0.0
    for old, young, kind in _units(before, after):
        bits += _plane_bits(young, kind) if old is None else _pair_bits(old, young, kind)
    return int(np.ceil(bits / 8))


def _units(before: bytes, after: bytes) -> Iterator[tuple[np.ndarray | None, np.ndarray, str]]:
    """(base, new, kind) as rows of integers; base is None where nothing pairs."""
    held = places(before)
    small: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for place in places(after):
        young = _rows(after, place)
        partners = [_rows(before, each) for each in held if (each.kind, each.shape) == (place.kind, place.shape)]
        if not partners:
            yield None, young, place.kind
            continue
        old = min(partners, key=lambda partner: _distance(partner, young, place.kind))
        if np.array_equal(old, young):
            continue
        if young.size < SMALL:
            small.setdefault(place.kind, []).append((old.reshape(1, -1), young.reshape(1, -1)))
        else:
            yield old, young, place.kind
    for kind, pairs in small.items():
        yield *(np.concatenate(side, axis=1) for side in zip(*pairs, strict=True)), kind


def _rows(content: bytes, place: Place) -> np.ndarray:
    count = (place.stop - place.start) // BYTES[place.kind]
    elements = np.frombuffer(content, f"<i{BYTES[place.kind]}", count, place.start)
    return elements.reshape(place.shape[0] if len(place.shape) > 1 else 1, -1)


def _distance(old: np.ndarray, young: np.ndarray, kind: str) -> float:
    step = max(1, old.size // SAMPLES)
    sampled = (_ordered(each.reshape(-1)[::step], kind) for each in (old, young))
    return float(np.log2(np.abs(np.subtract(*sampled)) + 1.0).mean())


def _ordered(patterns: np.ndarray, kind: str) -> np.ndarray:
    """int64 in the order of the values that the patterns stand for."""
    wide = patterns.astype(np.int64)
    if kind not in FLOAT_BYTES:
        return wide
    lowest = 1 << (8 * patterns.itemsize - 1)
    return np.where(wide < 0, -1 - (wide + lowest), wide)


def _pair_bits(old: np.ndarray, young: np.ndarray, kind: str) -> float:
    is_changed = (old != young).any(axis=1)
    mask_bits = _entropy_bits(is_changed) if len(is_changed) > 1 else 0.0
    old, young = old[is_changed], young[is_changed]
    guesses = [old, *_scaled(old, young, kind)]
    return mask_bits + min(_residual_bits(guess, young, kind) for guess in guesses)


def _scaled(old: np.ndarray, young: np.ndarray, kind: str) -> Iterator[np.ndarray]:
    """The base times the least-squares factor, for float32."""
    if kind != "F32":
        return
    before, after = (each.view(np.float32) for each in (old, young))
    power = float(np.vdot(before, before))
    factor = np.float32(np.vdot(before, after) / power) if power else np.float32(1)
    if factor != 1 and np.isfinite(factor):
        yield (before * factor).view(np.int32)


def _residual_bits(old: np.ndarray, young: np.ndarray, kind: str) -> float:
    predicted = _ordered(old, kind)
    residual = _ordered(young, kind) - predicted
    magnitude = np.abs(residual)
    tokens, below_bits = _tokens(magnitude)
    tokens = np.where((residual < 0) ^ (predicted < 0), 2 * tokens + 1, 2 * tokens)
    tokens[magnitude == 0] = 0
    exponents = _exponents(old, kind)
    costs = [_given(tokens, np.zeros_like(exponents)), _given(tokens, exponents)]
    costs += [side_bits + _given(tokens, context) for context, side_bits in _leveled(magnitude, exponents, kind)]
    return below_bits + min(costs)


def _tokens(magnitude: np.ndarray) -> tuple[np.ndarray, float]:
    """A number for each quarter of an octave (exact below 8), and how many bits stand below the tokens."""
    below = np.maximum(np.frexp(magnitude.astype(np.float64))[1] - 3, 0)
    return 4 * below + (magnitude >> below), float(below.sum())


def _exponents(patterns: np.ndarray, kind: str) -> np.ndarray:
    """Biased exponents, subnormal as 1; zero apart. All 0 for integers."""
    if kind not in EXPONENT:
        return np.zeros(patterns.shape, np.int64)
    mantissa_bits, mask = EXPONENT[kind]
    exponents = np.maximum((patterns >> mantissa_bits) & mask, 1).astype(np.int64)
    is_zero = (patterns & ((1 << (8 * patterns.itemsize - 1)) - 1)) == 0
    return np.where(is_zero, 0, exponents)


def _leveled(magnitude: np.ndarray, exponents: np.ndarray, kind: str) -> Iterator[tuple[np.ndarray, float]]:
    """(contexts, bits of the levels) by row, by column, by both."""
    if min(magnitude.shape) < 9:
        return
    change = magnitude * np.exp2(exponents - exponents.max()) if kind in EXPONENT else magnitude.astype(np.float64)
    mean = change.mean()
    rows = _half_octaves(change.mean(axis=1) / mean)[:, None]
    columns = _half_octaves(change.mean(axis=0) / mean)[None, :]
    for levels in ((rows,), (columns,), (rows, columns)):
        yield sum(levels) - 2 * exponents, sum(_entropy_bits(level) for level in levels)


def _half_octaves(ratios: np.ndarray) -> np.ndarray:
    return np.round(2 * np.log2(np.maximum(ratios, LEVEL_FLOOR))).astype(np.int64)


def _given(tokens: np.ndarray, contexts: np.ndarray) -> float:
    """Bits of all tokens, each coded by the statistics of its context."""
    contexts = contexts - contexts.min()
    width = int(tokens.max()) + 1
    counts = np.bincount((contexts * width + tokens).reshape(-1))
    table = np.zeros((-(-len(counts) // width), width))
    table.reshape(-1)[: len(counts)] = counts
    return _bits(table)


def _entropy_bits(symbols: np.ndarray) -> float:
    return _bits(np.unique(symbols, return_counts=True)[1][None, :].astype(np.float64))


def _bits(table: np.ndarray) -> float:
    """Sum over rows of n·H, with (symbols seen − 1) / 2 nats more for each row (Miller and Madow, 1955)."""
    totals = table.sum(axis=1)
    seen = table[table > 0]
    raw = float((totals[totals > 0] * np.log2(totals[totals > 0])).sum() - (seen * np.log2(seen)).sum())
    freedoms = len(seen) - int((totals > 0).sum())
    return raw + freedoms / 2 * float(np.log2(np.e))


def _plane_bits(young: np.ndarray, kind: str) -> float:
    octets = np.ascontiguousarray(young).view(np.uint8).reshape(-1, BYTES[kind])
    return sum(_entropy_bits(octets[:, index]) for index in range(BYTES[kind]))


if __name__ == "__main__":
    print(limit_bytes(Path(sys.argv[1]), Path(sys.argv[2])))
