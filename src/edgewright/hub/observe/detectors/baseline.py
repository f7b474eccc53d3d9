"""What a segment is compared with: the reference of its model version, also in coarse bins ('groups')."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile import Feature, FeatureKind, Schema

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MIN_GROUP_ROWS = 20
COUNTED = (FeatureKind.NUMERIC, FeatureKind.CATEGORICAL)
"""Kinds of features whose slots are shares of rows that training data foretell."""


@dataclass(frozen=True)
class HoldOut:
    """How the version did on its hold-out, where that is known.

    `confusion` (labels, predicted) counts rows, and `others` those, right and wrong, that have no place in it: of
    classes without a slot of their own. `scored` and `right` (bins,) count the rows in each of the score's bins, and
    those of them that were right.
    """

    confusion: Floats | None = None
    scored: Floats | None = None
    right: Floats | None = None
    others: tuple[float, float] = (0.0, 0.0)

    @property
    def error_rate(self) -> float | None:
        """The share that was wrong; None where no rows are known."""
        if self.confusion is None or not self._total:
            return None
        return 1 - (float(np.trace(self.confusion)) + self.others[0]) / self._total

    @property
    def rows(self) -> int:
        """How many rows its error rate rests on."""
        return int(self._total)

    @property
    def _total(self) -> float:
        return 0.0 if self.confusion is None else float(self.confusion.sum()) + sum(self.others)


@dataclass(frozen=True)
class Baseline:
    """The reference of one model version: its schema with the training data's counts, and its hold-out."""

    schema: Schema
    hold_out: HoldOut = HoldOut()

    @functools.cached_property
    def counts(self) -> Floats:
        """The reference's counts in all slots; 0 for features without a reference."""
        counts = [bins.counts or (0,) * bins.slots for bins in self.schema.bins]
        return np.concatenate([np.array(one, np.float64) for one in counts]) if counts else np.zeros(0)

    @functools.cached_property
    def groups(self) -> Groups:
        """The features with reference rows, inputs and outputs, in coarse bins."""
        return groups_of(self.schema, self._counted)

    @functools.cached_property
    def inputs(self) -> Groups:
        """Those of inputs."""
        return groups_of(self.schema, [i for i in self._counted if self.schema.features[i].is_input])

    @functools.cached_property
    def outputs(self) -> Groups:
        """Those of outputs: score, predicted class, values."""
        return groups_of(self.schema, [i for i in self._counted if not self.schema.features[i].is_input])

    @property
    def _counted(self) -> list[int]:
        places = sorted(place for kind in COUNTED for place in self.schema.of_kind(kind))
        return [place for place in places if any(self.schema.bins[place].counts)]


@dataclass(frozen=True)
class Groups:
    """References in coarse bins, padded to a common width.

    Neighbouring bins are joined until each holds 20 reference rows, so that a small reference has few degrees of
    freedom and keeps its power; 'missing', the last group of each feature, stays alone. `shares` (features, groups)
    are smoothed, and 0 in the padding.
    """

    features: tuple[Feature, ...]
    shares: Floats
    n_ref: Floats
    sizes: Integers
    """How many groups each feature has; the last one is 'missing'."""
    group_of_slot: Integers

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        return tuple(feature.name for feature in self.features)

    @functools.cached_property
    def is_group(self) -> npt.NDArray[np.bool_]:
        """(features, groups): False in the padding."""
        return np.asarray(np.arange(self.shares.shape[1]) < self.sizes[:, None])

    @functools.cached_property
    def is_ordered(self) -> npt.NDArray[np.bool_]:
        """(features, groups): False in the padding, in 'missing', and for classes, which have no order."""
        has_order = np.array([feature.kind is not FeatureKind.CATEGORICAL for feature in self.features], np.bool_)
        return np.asarray((np.arange(self.shares.shape[1]) < self.sizes[:, None] - 1) & has_order[:, None])

    @functools.cached_property
    def scores(self) -> Floats:
        """(features, groups): the normal quantile at the middle of each group's rank (van der Waerden 1952).

        Mean 0 and variance 1 under the reference; 0 where nothing is ordered.
        """
        known = np.where(self.is_ordered, self.shares, 0.0)
        known = known / np.maximum(known.sum(axis=1, keepdims=True), 1e-300)
        middles = np.clip(np.cumsum(known, axis=1) - known / 2, 1e-4, 1 - 1e-4)
        raw = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])(middles) if middles.size else middles
        away = np.where(self.is_ordered, raw - (known * raw).sum(axis=1, keepdims=True), 0.0)
        return np.asarray(away / np.maximum(np.sqrt((known * away**2).sum(axis=1, keepdims=True)), 1e-150))

    def of(self, counts: Floats | Integers) -> Floats:
        """Slots' counts as (features, groups)."""
        size = self.shares.size
        grouped = np.bincount(self.group_of_slot, weights=counts, minlength=size + 1).astype(np.float64)
        return grouped[:size].reshape(self.shares.shape)

    def of_each(self, counts: Sequence[Floats] | Floats) -> Floats:
        """The same for many: (many, slots) as (many, features, groups)."""
        return np.stack([self.of(one) for one in counts]) if len(counts) else np.zeros((0, *self.shares.shape))


def groups_of(schema: Schema, watched: Sequence[int]) -> Groups:
    """Join the bins of the features at these places."""
    joined = [_join(np.array(schema.bins[i].counts)) for i in watched]
    width = max((len(rows) for _, rows in joined), default=1)
    shares, n_ref = np.zeros((len(watched), width)), np.zeros(len(watched))
    group_of_slot = np.full(schema.offsets[-1], shares.size, np.int64)
    for place, (i, (groups, rows)) in enumerate(zip(watched, joined, strict=True)):
        shares[place, : len(rows)] = (rows + 0.5) / (rows.sum() + 0.5 * len(rows))
        n_ref[place] = rows.sum()
        group_of_slot[schema.offsets[i] : schema.offsets[i + 1]] = place * width + groups
    return Groups(
        features=tuple(schema.features[i] for i in watched),
        shares=shares,
        n_ref=n_ref,
        sizes=np.array([len(rows) for _, rows in joined], np.int64),
        group_of_slot=group_of_slot,
    )


def _join(counts: Integers) -> tuple[Integers, Integers]:
    """The group of each slot, and the rows in each group."""
    groups, rows = np.zeros(len(counts), np.int64), [0]
    left = int(counts[:-1].sum())
    for slot, count in enumerate(counts[:-1].tolist()):
        if rows[-1] >= MIN_GROUP_ROWS and left >= MIN_GROUP_ROWS:
            rows.append(0)
        groups[slot] = len(rows) - 1
        rows[-1] += count
        left -= count
    groups[-1] = len(rows)
    return groups, np.array([*rows, counts[-1]], np.int64)
