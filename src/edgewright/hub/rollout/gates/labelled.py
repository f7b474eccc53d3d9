"""What labelled requests say of a version, though one device in twenty may lie: accuracy, and bias between groups."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import NormalDist

from edgewright.contract.api import GateState
from edgewright.hub.rollout.gates.comparison.arms import LIARS
from edgewright.hub.rollout.gates.evidence import Evidence, Found, Labelled

LEAST_LABELS = 50
Z_99 = 2.576
Counts = tuple[int, int]  # right ones, of so many rows


def wilson(right: int, rows: int, z: float = Z_99) -> tuple[float, float]:
    """The interval of a share (Wilson 1927), 99 % by default; anything where there are no rows."""
    if not rows:
        return 0.0, 1.0
    share, spread = right / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def liars_of(labelled: Iterable[Labelled]) -> int:
    """How many of these devices may lie without making a verdict."""
    return int(len({one.device for one in labelled}) * LIARS)


def without(labelled: Iterable[Labelled], lying: int, level: float, *, is_up: bool) -> Counts:
    """The counts without the devices that push the share of right ones farthest from `level`, up or down."""
    counts = _by_device(labelled)
    push = sorted(counts, key=lambda one: (counts[one][0] - level * counts[one][1], one), reverse=is_up)
    left = [counts[one] for one in push[lying:]]
    return sum(right for right, _ in left), sum(rows for _, rows in left)


def bias(evidence: Evidence, limit: float) -> Found:
    """By how much the error rates of two groups differ, of those with LEAST_LABELS rows.

    It fails where they differ by more than the limit, and beyond chance (Newcombe 1998, 99 % over all pairs), though
    as many devices as may lie were left out of either group; it passes where no pair would with them left out.
    """
    pairs = list(_pairs(evidence.labelled))
    if not pairs:
        return Found(None, f"no two groups have {LEAST_LABELS} labelled requests")
    z, lying = NormalDist().inv_cdf(1 - 0.005 / len(pairs)), liars_of(evidence.labelled)
    found = [(_difference(worse, better), name, worse, better) for name, worse, better in pairs]
    widest, name, *_ = max(found, key=lambda one: (one[0], one[1]))
    reason = f"error rates of {name} differ by {widest:.3f}, {limit:.3f} may"
    numbers = {"difference": widest, "pairs": len(pairs)}
    if any(_is_proven(worse, better, limit, lying, z) for _, _, worse, better in found):
        return Found(GateState.FAILED, reason, numbers)
    may_hide = any(_difference(worse, better, lying) > limit for _, _, worse, better in found)
    return Found(None if may_hide else GateState.PASSED, reason, numbers)


Group = Sequence[Labelled]


def _pairs(labelled: Iterable[Labelled]) -> Iterable[tuple[str, Group, Group]]:
    """Every two groups of a key, both ways round: what it is called, the one that may be worse, and the other."""
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in labelled:
        for group in one.groups:
            groups[group].append(one)
    enough = sorted(group for group, found in groups.items() if sum(one.rows for one in found) >= LEAST_LABELS)
    for worse, better in itertools.permutations(enough, 2):
        if worse[0] == better[0]:
            yield f"{worse[0]} {worse[1]} and {better[1]}", groups[worse], groups[better]


def _difference(worse: Group, better: Group, lying: int = 0) -> float:
    """Of the error rates; at most, if so many devices on either side make it look small."""
    level = _rate(_counts(worse)), _rate(_counts(better))
    low = without(worse, lying, level[0], is_up=True) if lying else _counts(worse)
    high = without(better, lying, level[1], is_up=False) if lying else _counts(better)
    return _rate(high) - _rate(low)


def _is_proven(worse: Group, better: Group, limit: float, lying: int, z: float) -> bool:
    low = without(worse, lying, _rate(_counts(worse)), is_up=False)
    high = without(better, lying, _rate(_counts(better)), is_up=True)
    if not (low[1] and high[1]):
        return False
    difference = _rate(high) - _rate(low)
    reach = math.hypot(_rate(high) - wilson(*high, z)[0], wilson(*low, z)[1] - _rate(low))
    return difference > limit and difference - reach > 0


def _counts(group: Group) -> Counts:
    return sum(one.right for one in group), sum(one.rows for one in group)


def _rate(counts: Counts) -> float:
    return counts[0] / counts[1] if counts[1] else 0.0


def _by_device(labelled: Iterable[Labelled]) -> dict[str, Counts]:
    counts: dict[str, Counts] = {}
    for one in labelled:
        right, rows = counts.get(one.device, (0, 0))
        counts[one.device] = right + one.right, rows + one.rows
    return counts
