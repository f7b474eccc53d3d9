"""Which of the collected requests are worth a person's labelling: a pure choice.

The most uncertain six times the budget, thinned by greedy k-centre (Gonzalez 1985) to three quarters of it, so that
near-duplicates go; and a uniform quarter, without which no later evaluation would be unbiased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

UNCERTAIN_SHARE = 0.75
POOL_PER_BUDGET = 6
MAX_COLUMNS = 1024


class ChosenAs(StrEnum):
    """Why a request was chosen."""

    UNCERTAIN = "uncertain"
    RESERVOIR = "reservoir"


class Choice(NamedTuple):
    """The request at `place` among those collected."""

    place: int
    chosen_as: ChosenAs


def choose(uncertainty: np.ndarray, features: np.ndarray, budget: int, random: np.random.Generator) -> list[Choice]:
    """Choose at most `budget` of n requests: `uncertainty` is (n,), `features` (n, columns)."""
    count = len(uncertainty)
    budget = min(budget, count)
    if budget == 0:
        return []
    uncertain_budget = round(UNCERTAIN_SHARE * budget)
    reservoir = random.permutation(count)[: budget - uncertain_budget]
    others = np.setdiff1d(np.arange(count), reservoir)
    pool = others[np.argsort(-uncertainty[others], kind="stable")][: POOL_PER_BUDGET * budget]
    spread = pool[k_centre(_scaled(features[pool]), uncertain_budget)]
    return [Choice(int(place), ChosenAs.UNCERTAIN) for place in spread] + [
        Choice(int(place), ChosenAs.RESERVOIR) for place in reservoir
    ]


def in_turn(choices: Sequence[Choice]) -> list[Choice]:
    """Both kinds spread evenly, so that wherever the list is cut off, each has about its share."""
    counts = Counter(choice.chosen_as for choice in choices)
    seen: Counter[ChosenAs] = Counter()
    places = []
    for choice in choices:
        seen[choice.chosen_as] += 1
        places.append(((seen[choice.chosen_as] - 0.5) / counts[choice.chosen_as], choice.chosen_as, choice))
    return [choice for _, _, choice in sorted(places)]


def k_centre(points: np.ndarray, count: int) -> list[int]:
    """Indices of `count` points that cover `points` (n, columns) well: each is the farthest from those before it."""
    if count <= 0 or len(points) == 0:
        return []
    chosen = [0]
    distance = _squared_distance(points, 0)
    while len(chosen) < min(count, len(points)):
        distance[chosen[-1]] = -1.0  # never twice, not even among equal points
        farthest = int(distance.argmax())
        chosen.append(farthest)
        distance = np.where(distance < 0, distance, np.minimum(distance, _squared_distance(points, farthest)))
    return chosen


def uncertainty(scores: np.ndarray) -> np.ndarray:
    """One minus the margin between the two best scores of each row of (n, classes); not finite counts as 1."""
    if scores.shape[-1] < 2:
        return np.zeros(len(scores))
    best = np.sort(scores, axis=-1)[:, -2:]
    return np.asarray(np.nan_to_num(1.0 - (best[:, 1] - best[:, 0]), nan=1.0, posinf=1.0, neginf=1.0))


def as_features(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The numeric inputs of n requests as (n, at most 1024) columns."""
    rows = len(inputs[0]) if inputs else 0
    numeric = [array.reshape(rows, -1) for array in inputs if array.dtype.kind in "fiub"]
    if not numeric:
        return np.zeros((rows, 1))
    step = max(1, -(-sum(array.shape[1] for array in numeric) // MAX_COLUMNS))
    return np.concatenate([array[:, ::step].astype(np.float64) for array in numeric], axis=1)


def _scaled(features: np.ndarray) -> np.ndarray:
    finite = np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0)
    spread = finite.std(axis=0)
    return np.asarray(finite / np.where(spread > 0, spread, 1.0))


def _squared_distance(points: np.ndarray, index: int) -> np.ndarray:
    return np.asarray(((points - points[index]) ** 2).sum(axis=1))
