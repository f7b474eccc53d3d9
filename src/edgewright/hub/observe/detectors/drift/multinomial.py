"""Data drift, watched continuously: a multinomial e-detector on every feature's counts.

For every feature a Shiryaev–Roberts statistic M ← (M + minutes) · Λ watches whether the live rows are better explained
by what was seen lately than by the expected shares p. Λ is the likelihood ratio of one pane,
Π (q/p)^count · e^(−margin·rows), where q is made of an exponentially weighted mean of *earlier* panes. Three weights
(1/3, 1/10, 1/30) are three tracks: for leaps, for steps and for creep. While the live rows differ from p by less
than the margin (in nats, a Kullback–Leibler divergence), E[M] grows by at most the minutes watched, and so does the
mean over tracks (Shin, Ramdas and Rinaldo: E-detectors, 2022). That holds however often one looks.

The expected shares p are the reference's; or, where a pane brings the counts of the same hours and weekdays before,
those. So q is p tilted by how recent panes differed from what was expected of *them*: with a constant p it is just the
mean of the reference, as if it were 40 rows, and the recent rows.

The margin. p is an estimate from n rows, and live rows come from a world that is finite too (a small plant, a hold-out
set). The divergence between two samples of n and m rows of one truth is about (1/2)(1/n + 1/m) χ² with (bins − 1)
degrees of freedom. DESIGN's 0.002 + 2·bins/n covers its mean where m is much larger than n; it does not cover the
worst of many features, nor a small world. So the margin here is 0.002 + (1/2)(1/n + 5/n)·χ²(1 − 0.001/features), which
covers both down to m = n/5 (ADR 0006); for n = 10 000 and 20 bins it is 0.018 against DESIGN's 0.006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, Groups
from edgewright.hub.observe.detectors.drift.effects import TOLERANCE, directions, reference_variance, total_variation
from edgewright.hub.observe.detectors.evidence import LEAST, MOST, capped, finding, minutes
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import pack, unpack
from edgewright.hub.observe.detectors.tails import chi_square_quantile

WEIGHTS = (1 / 3, 1 / 10, 1 / 30)
PRIOR_ROWS = 40.0
MARGIN_NATS = 0.002
MARGIN_LEVEL = 0.001
MIN_EXPECTED_ROWS = 200
"""Fewer rows of the same hours before are no reference."""


@dataclass(frozen=True)
class State:
    """Where the detector stands: arrays are (tracks, features[, groups])."""

    recent: Floats  # exponentially weighted counts
    expected: Floats  # the same of what was expected
    log_values: Floats  # ln M
    since: Floats  # start of the pane at which M last was at its floor
    rows_since: Floats
    n_ref: Floats  # (features,): rows that the last expectation rests on
    panes: int = 0
    seasonal_panes: int = 0


class MultinomialDrift:
    """Watches every feature that has a reference; alarms with a total variation over `tolerance`."""

    kind = AlertKind.DATA_DRIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All features with counts of training data."""
        return baseline.groups.names

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        groups = baseline.groups
        tracks = (len(WEIGHTS), len(groups.features))
        nothing = np.zeros((*tracks, groups.shares.shape[1]))
        values = np.full(tracks, -np.inf)
        return State(nothing, nothing, values, np.zeros(tracks), np.zeros(tracks), groups.n_ref)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        groups = baseline.groups
        counts, rows = groups.of(pane.counts), pane.rows
        shares, n_ref, is_seasonal = _expectation(groups, pane)
        foretold = counts.sum(axis=1, keepdims=True) * shares
        gain = (counts * _log_ratio(groups, state, shares)).sum(axis=2) - margins(groups, n_ref) * rows
        start = math.log(minutes(pane))
        log_values = np.clip(np.logaddexp(start, state.log_values) + gain, 2 * LEAST, MOST)
        is_floor = (log_values <= start) | (state.panes == 0)
        weight = np.array(WEIGHTS)[:, None, None]
        return State(
            recent=(1 - weight) * state.recent + counts,
            expected=(1 - weight) * state.expected + foretold,
            log_values=log_values,
            since=np.where(is_floor, pane.start, state.since),
            rows_since=np.where(is_floor, 0, state.rows_since) + rows,
            n_ref=n_ref,
            panes=state.panes + 1,
            seasonal_panes=state.seasonal_panes + int(is_seasonal) if is_seasonal else 0,
        )

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """Each feature's evidence is ln of the mean over its tracks; its effect is that of its winning track."""
        groups = baseline.groups
        against = Against.SAME_HOUR if state.seasonal_panes else Against.TRAINING
        if not groups.names:
            return finding(self.kind, against, ())
        best = state.log_values.argmax(axis=0), np.arange(len(groups.names))
        recent, expected = state.recent[best], state.expected[best]
        shares = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-300)
        sizes = total_variation(groups, recent, shares, state.n_ref)
        sure = capped(_log_mean_exp(state.log_values))
        words = directions(groups, recent, shares)
        changes = [
            Change(
                feature=name,
                effect=float(sizes[i]),
                measure="total variation",
                tolerance=self._tolerance,
                evidence=float(sure[i]),
                direction=words[i],
                since=float(state.since[best][i]),
                rows=int(state.rows_since[best][i]),
            )
            for i, name in enumerate(groups.names)
        ]
        return finding(self.kind, against, changes)

    def encode(self, state: State) -> bytes:
        """The arrays, as they are."""
        return pack(state)

    def decode(self, data: bytes, baseline: Baseline) -> State:
        """Raises HostileInput unless the arrays fit the baseline."""
        return unpack(data, self.fresh(baseline))


def margins(groups: Groups, n_ref: Floats) -> Floats:
    """In nats a row: how far the live rows may be from the expected shares without being held against them."""
    level = MARGIN_LEVEL / max(1, len(groups.features))
    freedom = np.maximum(groups.sizes - 1, 1).astype(np.float64)
    return np.asarray(MARGIN_NATS + reference_variance(n_ref) / 2 * chi_square_quantile(freedom, level))


def _expectation(groups: Groups, pane: Pane) -> tuple[Floats, Floats, bool]:
    """Shares and the rows they rest on: those of the same hours before where there are enough, or the reference's."""
    if pane.expected is None:
        return groups.shares, groups.n_ref, False
    counts = groups.of(pane.expected)
    rows = counts.sum(axis=1)
    known = rows >= MIN_EXPECTED_ROWS
    shares = (counts + 0.5 * groups.is_group) / (rows + 0.5 * groups.sizes)[:, None]
    n_ref = np.where(known, rows, groups.n_ref)
    return np.where(known[:, None], shares, groups.shares), n_ref, bool(known.any())


def _log_ratio(groups: Groups, state: State, shares: Floats) -> Floats:
    """ln(q/p) (tracks, features, groups): p tilted by how recent panes differed from what was expected of them."""
    prior = PRIOR_ROWS * groups.shares
    tilt = np.where(groups.is_group, (prior + state.recent) / np.where(groups.is_group, prior + state.expected, 1), 1.0)
    total = (shares * tilt).sum(axis=2, keepdims=True)
    return np.asarray(np.log(tilt) - np.log(np.maximum(total, 1e-300)))


def _log_mean_exp(values: Floats) -> Any:
    top = values.max(axis=0, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return (safe + np.log(np.exp(values - safe).mean(axis=0, keepdims=True))).squeeze(0)
