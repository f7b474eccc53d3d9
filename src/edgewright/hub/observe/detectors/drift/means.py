"""Creeping drift: an e-detector on tilted bins, which is the CUSUM of the mean with an exact likelihood ratio.

Each bin has a normal score s (mean 0, variance 1 under the reference). For each of six tilts θ (±0.1, ±0.2, ±0.4
standard deviations) the alternative is q ∝ p·e^(θs), and M ← (M + minutes) · Π (q/p)^count · e^(−margin·rows). It is
Page's CUSUM (1954) of the mean with a slack of θ/2, written as an e-detector, so that its false alarms are bounded
like those of all others. It sees a shift of 0.2 standard deviations within about 2 000 rows where the shape of the
distribution stays, which costs the detector of all shares several times as many. The margin is |θ| times how far the
reference's own mean can be off: √(6/n_ref) times the normal quantile of 0.001/features. What was seen at the same hours
before is off by √(4/n) in every hour, independently: so the margin falls with the root of the hours of the climb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, Groups
from edgewright.hub.observe.detectors.drift.multinomial import (
    MARGIN_LEVEL,
    compared_with,
    expectation,
    expected_variance,
)
from edgewright.hub.observe.detectors.evidence import capped, climb, finding, grow, minutes
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

TILTS = (-0.4, -0.2, -0.1, 0.1, 0.2, 0.4)
TOLERANCE_SD = 0.2


@dataclass(frozen=True)
class State:
    """Arrays are (tilts, features); sums run over the present climb."""

    log_values: Floats
    climbs: Floats
    since: Floats
    rows_since: Floats
    shift_since: Floats  # sum of the scores, less what was expected
    is_seasonal: Floats  # (features,): 1 where the last pane was compared with the same hours before


class MeanDrift(Packed[State]):
    """Watches every input whose values have an order; alarms with a shift over `tolerance` standard deviations."""

    kind = AlertKind.DATA_DRIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_SD) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All inputs with rows of training data and an order."""
        groups = baseline.inputs
        ordered = (groups.is_ordered.sum(axis=1) > 1).tolist()
        return tuple(name for name, has_order in zip(groups.names, ordered, strict=True) if has_order)

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        shape = (len(TILTS), len(baseline.inputs.features))
        zeros = np.zeros(shape)
        return State(np.full(shape, -np.inf), zeros, zeros, zeros, zeros, np.zeros(shape[1]))

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        groups = baseline.inputs
        counts, scores = groups.of(pane.counts), groups.scores
        shares, n_ref, is_seasonal = expectation(groups, pane)
        known = groups.is_ordered
        rows = (counts * known).sum(axis=1)
        tilt = np.array(TILTS)[:, None, None] * scores
        grown = (np.where(known, shares, 0.0) * np.exp(tilt)).sum(axis=2) / _total(shares, known)
        normal = np.log(np.where(known.any(axis=1), grown, 1.0))
        climbed = np.where(state.climbs > 0, np.maximum(pane.start - state.since, 0.0) / 3600, 0.0)
        hours = np.where(is_seasonal, 1 + climbed, 1.0)
        margins = _margins(groups, expected_variance(n_ref, is_seasonal) / hours)
        gain = (counts * tilt).sum(axis=2) - (normal + margins) * rows
        if pane.noise is not None:
            gain -= (groups.of(pane.noise) * tilt**2).sum(axis=2) / 2
        begins = state.climbs <= 0
        mean = (np.where(known, shares, 0.0) * scores).sum(axis=1) / _total(shares, known)
        shift = (counts * scores).sum(axis=1) - rows * mean
        return State(
            log_values=grow(state.log_values, gain, minutes(pane)),
            climbs=climb(state.climbs, gain),
            since=np.where(begins, pane.start, state.since),
            rows_since=np.where(begins, 0.0, state.rows_since) + rows,
            shift_since=np.where(begins, 0.0, state.shift_since) + shift,
            is_seasonal=is_seasonal.astype(np.float64),
        )

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """A feature's evidence is ln of the mean over its tilts; its effect is the shift since the winner began."""
        groups = baseline.inputs
        against = compared_with(state.is_seasonal, Against.TRAINING)
        watched = set(self.watches(baseline))
        places = [place for place, name in enumerate(groups.names) if name in watched]
        best = state.log_values.argmax(axis=0) if len(groups.names) else np.zeros(0, np.int64)
        changes = [self._change(state, int(best[i]), i, groups.names[i]) for i in places]
        return finding(self.kind, against, changes)

    def _change(self, state: State, track: int, place: int, name: str) -> Change:
        rows = max(1.0, float(state.rows_since[track, place]))
        shift = float(state.shift_since[track, place]) / rows
        values = state.log_values[:, place]
        sure = float(np.logaddexp.reduce(values)) - math.log(len(TILTS))
        return Change(
            feature=name,
            effect=abs(shift),
            measure="shift in standard deviations",
            tolerance=self._tolerance,
            evidence=float(capped(np.array(sure))),
            direction="higher" if shift > 0 else "lower",
            since=float(state.since[track, place]),
            rows=int(rows),
            against=Against.SAME_HOUR if state.is_seasonal[place] else Against.TRAINING,
        )


def _total(shares: Floats, known: np.ndarray) -> Floats:
    return np.asarray(np.maximum(np.where(known, shares, 0.0).sum(axis=1), 1e-300))


def _margins(groups: Groups, variance: Floats) -> Floats:
    """(tilts, features), in nats a row."""
    z = NormalDist().inv_cdf(1 - MARGIN_LEVEL / max(1, len(groups.features)))
    return np.asarray(np.abs(np.array(TILTS))[:, None] * z * np.sqrt(variance))
