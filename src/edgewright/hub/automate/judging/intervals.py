"""Confidence intervals for means and rates of rows that differ in weight and come in clusters. Pure.

Rows of the field do not tell equally much: a quiet device's reservoir stands for few rows, a busy one's for many, and
rows of one device resemble each other. Means are therefore weighted, and their variance is that between clusters
(Taylor linearisation: Binder 1983; Liang & Zeger 1986), where that is the greater and there are FEWEST_CLUSTERS. Rates
have intervals that hold for few rows too (Wilson 1927; Bonett & Price 2012 for paired, Newcombe 1998 for two unpaired
ones), with as many rows as so many independent ones of equal weight would tell (Kish 1965).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

FEWEST_CLUSTERS = 5
"""With fewer, the spread between them says too little, and rows are taken for independent."""
MOST_WEIGHT = 4.0
"""Times the mean: no row weighs more, so that no device's word of how much it saw decides."""


@dataclass(frozen=True)
class Design:
    """How rows were drawn: the weight of each, and the number of its cluster (None: each row is one)."""

    weights: Floats
    clusters: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, rows: int, weights: np.ndarray | None = None, clusters: np.ndarray | None = None) -> Design:
        """Of so many rows. Weights are cut off at MOST_WEIGHT times their mean; those that are no number count 1."""
        given = np.ones(rows) if weights is None else weights.reshape(-1).astype(np.float64)
        given = np.where(np.isfinite(given) & (given > 0), given, 1.0)
        numbers = None if clusters is None else np.unique(clusters.reshape(-1), return_inverse=True)[1].reshape(-1)
        return cls(np.minimum(given, MOST_WEIGHT * given.mean()) if rows else given, numbers)

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, which: npt.NDArray[np.bool_]) -> Design:
        return Design(self.weights[which], None if self.clusters is None else self.clusters[which])

    @property
    def cluster_count(self) -> int:
        """How many clusters the variance is between; 0 where rows are taken for independent."""
        count = 0 if self.clusters is None else len(np.unique(self.clusters))
        return count if count >= FEWEST_CLUSTERS else 0

    def mean(self, values: Floats) -> float:
        """Weighted; 0 for no rows."""
        return float(self.weights @ values / self.weights.sum()) if len(self) else 0.0

    def variance(self, values: Floats) -> float:
        """Of the weighted mean."""
        away = self.weights * (values - self.mean(values)) / self.weights.sum()
        rows = len(self)
        by_rows = float(away @ away) * rows / max(1, rows - 1)
        count = self.cluster_count
        if not count or self.clusters is None:
            return by_rows
        sums = np.bincount(self.clusters, weights=away)
        return max(by_rows, float(sums @ sums) * count / (count - 1))

    def effective_rows(self, values: Floats) -> float:
        """So many independent rows of equal weight have a mean as sure; at most Kish's figure for the weights."""
        kish = float(self.weights.sum()) ** 2 / float(self.weights @ self.weights)
        spread = self.mean(np.square(values - self.mean(values)))
        variance = self.variance(values)
        return kish if variance <= 0 else float(min(kish, max(1.0, spread / variance)))

    def quantile(self, alpha: float) -> float:
        """Of the normal distribution, or of Student's for so many clusters: both ends together leave out `alpha`."""
        z = NormalDist().inv_cdf(1 - alpha / 2)
        return student(z, self.cluster_count - 1) if self.cluster_count else z


def student(z: float, freedom: int) -> float:
    """Student's quantile for a normal one (Abramowitz & Stegun 1964, 26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))


def of_mean(values: Floats, design: Design, alpha: float) -> Interval:
    """Of the weighted mean of `values`: normal, or Student's between clusters."""
    middle = design.mean(values)
    reach = design.quantile(alpha) * math.sqrt(design.variance(values))
    return middle - reach, middle + reach


def of_rate(hits: npt.NDArray[np.bool_], design: Design, alpha: float) -> Interval:
    """Of the share of rows that are hits, by Wilson's score."""
    values = hits.astype(np.float64)
    return wilson(design.mean(values), design.effective_rows(values), design.quantile(alpha))


def wilson(share: float, rows: float, z: float) -> Interval:
    """Both ends of the interval of a share that was seen in `rows` rows."""
    square = z * z / rows
    middle = (share + square / 2) / (1 + square)
    reach = z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def of_paired_rates(new: npt.NDArray[np.bool_], old: npt.NDArray[np.bool_], design: Design, alpha: float) -> Interval:
    """Of the difference of two rates on the same rows, new less old (Bonett & Price, JEBS 2012): one is added to both
    kinds of rows on which they differ, which keeps the level with few rows, and leaves doubt where none differs.
    """
    differences = new.astype(np.float64) - old.astype(np.float64)
    rows, z = design.effective_rows(differences), design.quantile(alpha)
    won = (rows * design.mean((new & ~old).astype(np.float64)) + 1) / (rows + 2)
    lost = (rows * design.mean((old & ~new).astype(np.float64)) + 1) / (rows + 2)
    reach = z * math.sqrt((won + lost - (won - lost) ** 2) / (rows + 2))
    return max(-1.0, won - lost - reach), min(1.0, won - lost + reach)


def of_difference(
    one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], of_one: Design, of_other: Design, alpha: float
) -> Interval:
    """Of the rate of `one` less that of `other`, on different rows: Newcombe's hybrid score (1998, method 10)."""
    (low_1, high_1), (low_2, high_2) = of_rate(one, of_one, alpha), of_rate(other, of_other, alpha)
    share_1, share_2 = of_one.mean(one.astype(np.float64)), of_other.mean(other.astype(np.float64))
    middle = share_1 - share_2
    return (
        middle - math.hypot(share_1 - low_1, high_2 - share_2),
        middle + math.hypot(high_1 - share_1, share_2 - low_2),
    )


def of_mean_difference(one: Floats, other: Floats, of_one: Design, of_other: Design, alpha: float) -> Interval:
    """Of the mean of `one` less that of `other`, on different rows, each with its own variance (Welch 1947)."""
    middle = of_one.mean(one) - of_other.mean(other)
    reach = max(of_one.quantile(alpha), of_other.quantile(alpha)) * math.sqrt(
        of_one.variance(one) + of_other.variance(other)
    )
    return middle - reach, middle + reach
