"""Accuracy without labels (CBPE): what the scores alone make of how often the model is right.

The mean over live rows of how often answers of that score were right on the hold-out (confidence-based performance
estimation, as NannyML has it; here from the 32 bins of a profile's score). In windows of 500 rows, a fall of the mean
is held against the noise of rows and of the reference, one-sided. It sees a shift towards rows that the model is
unsure of; it is blind to a concept that turned over while the scores stayed: so it is advice, and stops nothing by
itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import Measure
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.drift.effects import reference_variance
from edgewright.hub.observe.detectors.evidence import LEAST, finding, minutes, of_p_values
from edgewright.hub.observe.detectors.labels.concept import smoothed_errors
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed
from edgewright.hub.observe.detectors.tails import normal_tail

WINDOW_ROWS = 500.0
TOLERANCE_POINTS = 0.05


@dataclass(frozen=True)
class State:
    """The window that is filling (bins,), and what the last full one said."""

    seen: Floats
    expected: Floats
    rows: float = 0.0
    minutes: float = 0.0
    start: float = 0.0
    evidence: float = LEAST
    accuracy: float = 0.0
    usual: float = 0.0
    last_start: float = 0.0
    last_rows: float = 0.0


class EstimatedAccuracy(Packed[State]):
    """Watches the scores; tells of an estimated accuracy that fell by `tolerance` or more."""

    kind = AlertKind.ESTIMATED_ACCURACY
    reads = frozenset({Reads.COUNTS})
    is_advice = True

    def __init__(self, tolerance: float = TOLERANCE_POINTS, rows: float = WINDOW_ROWS) -> None:
        self._tolerance = tolerance
        self._rows = rows

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """The score, where the reference has one."""
        place = _score(baseline)
        return () if place is None else (baseline.schema.features[place].name,)

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        place = _score(baseline)
        zeros = np.zeros(0 if place is None else baseline.schema.bins[place].slots - 1)
        return State(zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more; the window that it fills is judged."""
        if (names := self.watches(baseline)) == ():
            return state
        span = baseline.schema.span(names[0])
        counts = pane.counts[span][:-1].astype(np.float64)
        expected = baseline.counts[span][:-1] if pane.expected is None else pane.expected[span][:-1]
        if not expected.sum():
            expected = baseline.counts[span][:-1]
        filled = State(
            seen=state.seen + counts,
            expected=state.expected + counts.sum() * expected / expected.sum(),
            rows=state.rows + pane.rows,
            minutes=state.minutes + minutes(pane),
            start=state.start if state.rows else pane.start,
            evidence=state.evidence,
            accuracy=state.accuracy,
            usual=state.usual,
            last_start=state.last_start,
            last_rows=state.last_rows,
        )
        return filled if filled.rows < self._rows else _judged(filled, baseline, float(baseline.counts[span].sum()))

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """The estimate of the last full window, and of what was expected."""
        names = self.watches(baseline)
        if not names or not state.last_rows:
            return finding(self.kind, Against.HOLD_OUT, (), len(names))
        change = Change(
            feature=names[0],
            effect=max(0.0, state.usual - state.accuracy),
            measure="fall of the estimated accuracy",
            tolerance=self._tolerance,
            evidence=state.evidence,
            direction="lower" if state.accuracy < state.usual else "higher",
            since=state.last_start,
            rows=int(state.last_rows),
            expected=state.usual,
            seen=state.accuracy,
        )
        return finding(self.kind, Against.HOLD_OUT, (change,))


def estimated_accuracy(baseline: Baseline, scores: Floats) -> float:
    """Of counts in the score's bins, 'missing' left out: the mean of how often such answers are right; NaN of none."""
    rows = float(scores.sum())
    return float(scores @ _right(baseline, len(scores))) / rows if rows > 0 else math.nan


def _judged(state: State, baseline: Baseline, n_ref: float) -> State:
    right = _right(baseline, len(state.seen))
    rows = max(1.0, float(state.seen.sum()))
    seen, usual = float(state.seen @ right) / rows, float(state.expected @ right) / rows
    spread = float(state.expected @ (right - usual) ** 2) / rows
    variance = spread * (1 / rows + float(reference_variance(np.array(n_ref))))
    z = (usual - seen) / math.sqrt(variance) if variance > 0 else 0.0
    p = float(normal_tail(np.array(z))) / 2 if z > 0 else 1.0
    zeros = np.zeros_like(state.seen)
    return State(
        seen=zeros,
        expected=zeros,
        evidence=float(of_p_values(np.array(p), state.minutes)),
        accuracy=seen,
        usual=usual,
        last_start=state.start,
        last_rows=state.rows,
    )


def _right(baseline: Baseline, bins: int) -> Floats:
    """How often answers in each of the score's bins are right: by the hold-out, or else as the score says."""
    scored, right = baseline.hold_out.scored, baseline.hold_out.right
    if scored is None or right is None or len(scored) != bins:
        return (np.arange(bins) + 0.5) / bins
    return 1 - smoothed_errors(scored, right)[0]


def _score(baseline: Baseline) -> int | None:
    features = baseline.schema.features
    places = (place for place, feature in enumerate(features) if feature.measure is Measure.SCORE)
    return next((place for place in places if any(baseline.schema.bins[place].counts)), None)
