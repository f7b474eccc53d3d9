"""Data drift in windows of 500 rows: Pearson's χ² and Neyman's smooth test on every input, for what is seen at once.

Both compare what a window counts with what was expected of it. χ² = Σ (O − E)²/E sees any change of shares. Neyman's
smooth test (1937; here with four components, Rayner & Best 1989) sees changes of location, spread, skewness and tails
with far fewer rows: its components are Σ h_k(bin)/√n, where h_1 … h_4 are polynomials in the normal score of the bin,
orthonormal under the expected shares. A reference of n_ref rows and a finite world add 6·n/n_ref to both variances.
The smaller p of the two counts twice; 'missing' is left to the detector of data quality. An effect is the larger of
total variation, freed of noise, and the Kolmogorov–Smirnov distance less what sampling alone makes of it. Where the
same hours before are known, windows are not judged: of few rows in each hour χ² is no χ² (tried: 5 of 6 weeks of wine
alarmed), and the e-detectors go on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, Groups
from edgewright.hub.observe.detectors.drift.effects import (
    TOLERANCE,
    directions,
    kolmogorov,
    total_variation,
)
from edgewright.hub.observe.detectors.drift.multinomial import compared_with, expectation, expected_variance
from edgewright.hub.observe.detectors.evidence import LEAST, finding, minutes, of_p_values
from edgewright.hub.observe.detectors.model import Against, Booleans, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed
from edgewright.hub.observe.detectors.tails import chi_square_tail

WINDOW_ROWS = 500
COMPONENTS = 4
LEAST_EXPECTED = 5.0
"""Groups of which fewer rows are expected are joined with the one before: χ² is not χ² there."""


@dataclass(frozen=True)
class State:
    """The window that is filling, and what the last full one said; arrays are (features[, groups])."""

    seen: Floats
    expected: Floats
    variance: Floats  # (features,): rows times the variance of the expectation, in shares
    last_seen: Floats
    last_expected: Floats
    inflation: Floats  # (features,): of the last window's variance by what its expectation rests on
    evidence: Floats
    is_seasonal: Floats  # (features,): 1 where a pane of the window was compared with the same hours before
    last_seasonal: Floats
    rows: float = 0.0
    minutes: float = 0.0
    start: float = 0.0
    last_start: float = 0.0
    last_rows: float = 0.0


class WindowDrift(Packed[State]):
    """Judges every 500 rows by themselves; alarms with a total variation or a KS distance over `tolerance`."""

    kind = AlertKind.DATA_DRIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE, rows: float = WINDOW_ROWS) -> None:
        self._tolerance = tolerance
        self._rows = rows

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All inputs with rows of training data."""
        return baseline.inputs.names

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        groups = baseline.inputs
        nothing, zeros = np.zeros(groups.shares.shape), np.zeros(len(groups.features))
        evidence = np.full(len(zeros), LEAST)
        return State(nothing, nothing, zeros, nothing, nothing, zeros + 1, evidence, zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more; the window that it fills is judged."""
        groups = baseline.inputs
        counts = groups.of(pane.counts)
        shares, n_ref, is_seasonal = expectation(groups, pane)
        rows = counts.sum(axis=1)
        filled = State(
            seen=state.seen + counts,
            expected=state.expected + rows[:, None] * shares,
            variance=state.variance + rows * _variance(rows / self._rows, n_ref, is_seasonal),
            last_seen=state.last_seen,
            last_expected=state.last_expected,
            inflation=state.inflation,
            evidence=state.evidence,
            is_seasonal=np.maximum(state.is_seasonal, is_seasonal),
            last_seasonal=state.last_seasonal,
            rows=state.rows + pane.rows,
            minutes=state.minutes + minutes(pane),
            start=state.start if state.rows else pane.start,
            last_start=state.last_start,
            last_rows=state.last_rows,
        )
        return filled if filled.rows < self._rows else _judged(filled, groups)

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """What the last full window said."""
        groups = baseline.inputs
        against = compared_with(state.last_seasonal, Against.TRAINING)
        if not state.last_rows or not groups.names:
            return finding(self.kind, against, (), len(groups.names))
        seen, foretold = np.maximum(state.last_seen, 0.0), np.maximum(state.last_expected, 0.0)
        shares = foretold / np.maximum(foretold.sum(axis=1, keepdims=True), 1e-300)
        rests_on = 6 * state.last_rows / np.maximum(state.inflation - 1, 1e-9)
        varied = total_variation(groups, seen, shares, rests_on)
        apart = kolmogorov(groups, seen, shares, state.inflation)
        words = directions(groups, seen, shares)
        changes = [
            Change(
                feature=name,
                effect=float(max(varied[i], apart[i])),
                measure="total variation" if varied[i] >= apart[i] else "Kolmogorov-Smirnov distance",
                tolerance=self._tolerance,
                evidence=float(state.evidence[i]),
                direction=words[i],
                since=state.last_start,
                rows=int(state.last_rows),
                against=Against.SAME_HOUR if state.last_seasonal[i] else Against.TRAINING,
            )
            for i, name in enumerate(groups.names)
        ]
        return finding(self.kind, against, changes)


def _variance(share: Floats, n_ref: Floats, is_seasonal: Booleans) -> Floats:
    """What a pane that is such a share of its window adds, by row: hours before err each for itself, training alike."""
    return expected_variance(n_ref, is_seasonal) * np.where(is_seasonal, share, 1.0)


def _judged(state: State, groups: Groups) -> State:
    """The full window's evidence, and an empty one."""
    inflation = 1 + state.variance
    tests = 2 * np.minimum(_pearson(groups, state, inflation), _neyman(groups, state, inflation))
    p = np.where(state.is_seasonal > 0, 1.0, np.minimum(tests, 1.0))
    nothing, zeros = np.zeros_like(state.seen), np.zeros_like(state.variance)
    return State(
        seen=nothing,
        expected=nothing,
        variance=zeros,
        last_seen=state.seen,
        last_expected=state.expected,
        inflation=inflation,
        evidence=of_p_values(p, state.minutes),
        is_seasonal=zeros,
        last_seasonal=state.is_seasonal,
        last_start=state.start,
        last_rows=state.rows,
    )


def _pearson(groups: Groups, state: State, inflation: Floats) -> Floats:
    """p of χ² over the groups that are not 'missing', each of enough expected rows."""
    p = np.ones(len(groups.features))
    for place in range(len(groups.features)):
        size = groups.sizes[place] - 1
        seen, expected = _joined(state.seen[place, :size], state.expected[place, :size])
        if len(seen) > 1:
            expected = expected * (seen.sum() / expected.sum())
            value = float(((seen - expected) ** 2 / np.maximum(expected, 1e-9)).sum()) / inflation[place]
            p[place] = float(chi_square_tail(np.array(value), np.array(len(seen) - 1.0)))
    return p


def _neyman(groups: Groups, state: State, inflation: Floats) -> Floats:
    """p of the smooth test, for features whose values have an order; 1 for the others."""
    p = np.ones(len(groups.features))
    for place, is_ordered in enumerate(np.asarray(groups.is_ordered.any(axis=1))):
        size = groups.sizes[place] - 1
        seen, expected = state.seen[place, :size], state.expected[place, :size]
        if not is_ordered or size < 2 or seen.sum() <= 0:
            continue
        components = _orthonormal(groups.scores[place, :size], expected / expected.sum())
        sums = components @ seen / math.sqrt(float(seen.sum()))
        value = float((sums**2).sum()) / inflation[place]
        p[place] = float(chi_square_tail(np.array(value), np.array(float(len(components)))))
    return p


def _orthonormal(scores: Floats, shares: Floats) -> Floats:
    """(components, groups): polynomials in `scores` with mean 0 and variance 1 under `shares`, uncorrelated."""
    found: list[Floats] = [np.ones_like(scores)]
    for power in range(1, min(COMPONENTS, len(scores) - 1) + 1):
        component = scores**power
        for earlier in found:
            component = component - (component * earlier * shares).sum() * earlier
        size = math.sqrt(float((component**2 * shares).sum()))
        if size < 1e-6:
            break
        found.append(component / size)
    return np.array(found[1:]).reshape(-1, len(scores))


def _joined(seen: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Neighbours together until each has enough expected rows."""
    starts, held = [0], 0.0
    left = float(expected.sum())
    for place, rows in enumerate(expected.tolist()):
        if held >= LEAST_EXPECTED and left >= LEAST_EXPECTED:
            starts.append(place)
            held = 0.0
        held += rows
        left -= rows
    return np.add.reduceat(seen, starts), np.add.reduceat(expected, starts)
