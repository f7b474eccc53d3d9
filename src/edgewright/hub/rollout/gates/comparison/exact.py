"""The exact fallback for few devices or few failures: a permutation test that spends its alarms over rare looks."""

from __future__ import annotations

import math

import numpy as np

from edgewright.hub.rollout.gates.comparison.arms import Floats, Surplus

FIRST_FAILURES, GROWTH = 3.0, 2.0
"""Looks are taken once so many failures were to be expected of the canaries, and each time that has so grown."""
FIRST_DRAWS, MAX_DRAWS = 2_000, 40_000
MAX_NUMBERS = 4_000_000  # that are drawn at a time, in 32 MB
ENOUGH = 50
"""Of the first draws are as high: then chance is so likely that no more are needed (Besag & Clifford 1991)."""
SEED = 0


def look_of(expected_failures: float) -> int:
    """Which look is due when the canaries should have failed so often; 0 before the first.

    That depends on how much is known, not on how it came out, as spending needs (Lan & DeMets, Biometrika 1983).
    """
    if expected_failures < FIRST_FAILURES:
        return 0
    return 1 + math.floor(math.log(expected_failures / FIRST_FAILURES) / math.log(GROWTH) + 1e-9)


def spending(look: int) -> float:
    """By what a p-value of this look is multiplied: the shares 1/(k(k+1)) of all looks k add up to one."""
    return float(look * (look + 1))


def permutation_p(seen: Surplus) -> float:
    """How often devices dealt out anew give the canaries so high a mean: exact for devices chosen at random.

    By draws (Phipson & Smyth 2010: the data as they are count as one), always the same ones.
    """
    devices = np.concatenate([seen.canary, seen.control])
    size = len(seen.canary)
    if size > len(seen.control):
        return _p(-devices, len(seen.control), -float(seen.control.sum()))
    return _p(devices, size, float(seen.canary.sum()))


def _p(devices: Floats, size: int, total: float) -> float:
    random = np.random.default_rng(SEED)
    least, ordered = total - 1e-9 * abs(total) - 1e-12, np.sort(devices)
    higher = drawn = 0
    for draws in (FIRST_DRAWS, MAX_DRAWS - FIRST_DRAWS):
        sums = _sums(random, ordered, size, draws)
        higher, drawn = higher + int(np.count_nonzero(sums >= least)), drawn + len(sums)
        if higher >= ENOUGH:
            break
    return (higher + 1) / (drawn + 1)


def _sums(random: np.random.Generator, devices: Floats, size: int, draws: int) -> Floats:
    """Sums of `size` of the devices, drawn without putting back, so many times."""
    if size * size > len(devices):
        draws = min(draws, MAX_NUMBERS // len(devices))
        picked = np.argpartition(random.random((draws, len(devices))), size - 1, axis=1)[:, :size]
        return np.asarray(devices[picked].sum(axis=1), np.float64)
    picked = random.integers(len(devices), size=(2 * draws, size))
    ordered = np.sort(picked, axis=1)
    is_proper = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
    return np.asarray(devices[picked[is_proper][:draws]].sum(axis=1), np.float64)
