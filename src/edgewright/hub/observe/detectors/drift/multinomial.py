"""Data drift, watched continuously: a multinomial e-detector on every input's counts. Label shift takes it as well.

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
covers both down to m = n/5 (ADR 0006); for n = 10 000 and 20 bins it is 0.018 against DESIGN's 0.006. What was seen at
the same hours before comes from the live world itself: there it is (1/2)(4/n)·χ², n being the rows of all the hours
that a track remembers, since their errors are independent.

Noise. Counts with privacy's noise of variance v add v·Σ ln²(q/p)/2 to the margin: what normal noise adds to ln E[Λ].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, Groups
from edgewright.hub.observe.detectors.drift.effects import (
    TOLERANCE,
    directions,
    reference_variance,
    total_variation,
)
from edgewright.hub.observe.detectors.evidence import capped, climb, finding, grow, minutes
from edgewright.hub.observe.detectors.model import Against, Booleans, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed
from edgewright.hub.observe.detectors.tails import chi_square_quantile

WEIGHTS = (1 / 3, 1 / 10, 1 / 30)
PRIOR_ROWS = 40.0
MARGIN_NATS = 0.002
MARGIN_LEVEL = 0.001
PRIOR_SHARE = 2.0
"""Rows of the training data that are added to those of the same hours: so that no share is 0."""
OF_THE_SAME_WORLD = 4.0
"""Times 1/n: the variance of a share between live rows and those of the same hours before; days have moods."""


@dataclass(frozen=True)
class State:
    """Where the detector stands: arrays are (tracks, features[, groups])."""

    recent: Floats  # exponentially weighted counts
    expected: Floats  # the same of what was expected
    log_values: Floats  # ln M
    climbs: Floats
    since: Floats  # start of the pane before the present climb
    rows_since: Floats
    n_ref: Floats  # (tracks, features): rows that what is expected rests on
    is_seasonal: Floats  # (features,): 1 where the last pane was compared with the same hours before


class MultinomialDrift(Packed[State]):
    """Watches every input that has a reference; alarms with a total variation over `tolerance`."""

    kind = AlertKind.DATA_DRIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All inputs with rows of training data."""
        return baseline.inputs.names

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        return fresh(baseline.inputs)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        return step(state, baseline.inputs, pane)

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """One change a feature, against training, or the same hour and weekday before."""
        found = changes(state, baseline.inputs, self._tolerance, Against.TRAINING)
        return finding(self.kind, compared_with(state.is_seasonal, Against.TRAINING), found)


def fresh(groups: Groups) -> State:
    """A detector that has seen nothing."""
    tracks = (len(WEIGHTS), len(groups.features))
    nothing = np.zeros((*tracks, groups.shares.shape[1]))
    values, zeros = np.full(tracks, -np.inf), np.zeros(tracks)
    n_ref = np.broadcast_to(groups.n_ref, tracks).astype(np.float64)
    return State(nothing, nothing, values, zeros, zeros, zeros, n_ref, np.zeros(len(groups.features)))


def step(state: State, groups: Groups, pane: Pane) -> State:
    """The state after one pane more."""
    counts = groups.of(pane.counts)
    shares, n_ref, is_seasonal = expectation(groups, pane)
    foretold = np.maximum(counts.sum(axis=1, keepdims=True), 0.0) * shares
    ratio = _log_ratio(groups, state, shares)
    hours = np.maximum(1.0, minutes(pane) / 60 / np.array(WEIGHTS))[:, None]  # that a track remembers
    remembered = np.where(is_seasonal, hours * n_ref, n_ref)
    margins = _margins(groups, expected_variance(remembered, is_seasonal))
    gain = (counts * ratio).sum(axis=2) - margins * pane.rows
    if pane.noise is not None:
        gain -= (groups.of(pane.noise) * ratio**2).sum(axis=2) / 2
    climbs = climb(state.climbs, gain)
    is_floor = climbs <= 0  # the first pane of a drift teaches what the next ones bet on: it still counts as the floor
    weight = np.array(WEIGHTS)[:, None, None]
    return State(
        recent=(1 - weight) * state.recent + counts,
        expected=(1 - weight) * state.expected + foretold,
        log_values=grow(state.log_values, gain, minutes(pane)),
        climbs=climbs,
        since=np.where(is_floor, pane.start, state.since),
        rows_since=np.where(is_floor, 0.0, state.rows_since) + pane.rows,
        n_ref=remembered,
        is_seasonal=is_seasonal.astype(np.float64),
    )


def changes(state: State, groups: Groups, tolerance: float, reference: Against) -> list[Change]:
    """Each feature's evidence is ln of the mean over its tracks; its effect is that of its winning track."""
    if not groups.names:
        return []
    best = state.log_values.argmax(axis=0), np.arange(len(groups.names))
    recent, expected = np.maximum(state.recent[best], 0.0), np.maximum(state.expected[best], 0.0)
    shares = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-300)
    sizes = total_variation(groups, recent, shares, state.n_ref[best])
    sure = capped(_log_mean_exp(state.log_values))
    words = directions(groups, recent, shares)
    return [
        Change(
            feature=name,
            effect=float(sizes[i]),
            measure="total variation",
            tolerance=tolerance,
            evidence=float(sure[i]),
            direction=words[i],
            since=float(state.since[best][i]),
            rows=int(state.rows_since[best][i]),
            against=Against.SAME_HOUR if state.is_seasonal[i] else reference,
        )
        for i, name in enumerate(groups.names)
    ]


def compared_with(is_seasonal: Floats, reference: Against) -> Against:
    """What a finding as a whole was compared with; each of its changes says it of its own feature."""
    return Against.SAME_HOUR if is_seasonal.any() else reference


def expectation(groups: Groups, pane: Pane) -> tuple[Floats, Floats, Booleans]:
    """What is expected of a pane: shares (features, groups), the rows that they rest on (features,), and for which
    features (features,) these are the same hours before.
    """
    if pane.expected is None:
        return groups.shares, groups.n_ref, np.zeros(len(groups.features), np.bool_)
    counts = np.maximum(groups.of(pane.expected), 0.0)
    rows = counts.sum(axis=1)
    known = rows > 0
    shares = (counts + PRIOR_SHARE * groups.shares) / (rows + PRIOR_SHARE)[:, None]
    return np.where(known[:, None], shares, groups.shares), np.where(known, rows, groups.n_ref), known


def expected_variance(n_ref: Floats, is_seasonal: Booleans) -> Floats:
    """Over p(1 − p): the variance of a share between live rows and what is expected of them, beyond live sampling."""
    return np.where(is_seasonal, OF_THE_SAME_WORLD / np.maximum(n_ref, 1), reference_variance(n_ref))


def _margins(groups: Groups, variance: Floats) -> Floats:
    """In nats a row: how far the live rows may be from what is expected without being held against them."""
    level = MARGIN_LEVEL / max(1, len(groups.features))
    freedom = np.maximum(groups.sizes - 1, 1).astype(np.float64)
    return np.asarray(MARGIN_NATS + variance / 2 * chi_square_quantile(freedom, level))


def _log_ratio(groups: Groups, state: State, shares: Floats) -> Floats:
    """ln(q/p) (tracks, features, groups): p tilted by how recent panes differed from what was expected of them."""
    prior = PRIOR_ROWS * groups.shares
    seen, foretold = prior + np.maximum(state.recent, 0.0), prior + np.maximum(state.expected, 0.0)
    tilt = np.where(groups.is_group, seen / np.where(groups.is_group, foretold, 1.0), 1.0)
    total = (shares * tilt).sum(axis=2, keepdims=True)
    return np.asarray(np.log(tilt) - np.log(np.maximum(total, 1e-300)))


def _log_mean_exp(values: Floats) -> Any:
    top = values.max(axis=0, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return (safe + np.log(np.exp(values - safe).mean(axis=0, keepdims=True))).squeeze(0)
