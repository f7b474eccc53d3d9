"""Data quality: refused requests, and rows with values that are missing, out of range or stuck.

For every input, and for the missing values of every feature, the e-detector of labels/bernoulli.py watches the share of
rows. At most what training had is to be expected (Wilson's upper limit), plus a share of 0.0005; 1 % more is an
alarm. Nothing is learned first: three rows in a hundred without a value are seen after about a hundred rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import FeatureKind
from edgewright.contract.profile.features import Flaw
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.evidence import climb, finding, grow, minutes
from edgewright.hub.observe.detectors.labels import bernoulli
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

TOLERANCE_SHARE = 0.01
SLACK = 0.0005
EXTENTS = (0.01, 0.03, 0.1, 0.3, 0.9)


@dataclass(frozen=True)
class State:
    """Arrays are (extents, quantities); sums run over the present climb."""

    log_values: Floats
    climbs: Floats
    since: Floats
    rows: Floats
    happened: Floats


class DataQuality(Packed[State]):
    """Watches missing values and flaws; alarms where `tolerance` more of the rows have them than in training."""

    kind = AlertKind.DATA_QUALITY
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_SHARE) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """Each input's flaws, and the missing values of each input feature."""
        schema = baseline.schema
        flaws = [f"{schema.features[i].name}: {flaw}" for i in schema.of_kind(FeatureKind.QUALITY) for flaw in Flaw]
        return (*flaws, *(f"{schema.features[i].name}: missing" for i in _inputs(baseline)))

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        shape = (len(EXTENTS), len(_slots(baseline)))
        zeros = np.zeros(shape)
        return State(np.full(shape, -np.inf), zeros, zeros, zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        slots = _slots(baseline)
        happened = np.maximum(pane.counts[slots], 0.0).astype(np.float64)
        rows = np.maximum(_rows(baseline, pane), happened)
        gain = bernoulli.gains(_expected(baseline)[1], happened, rows, EXTENTS)
        if pane.noise is not None:
            gain -= pane.noise[slots] * np.log(np.array(EXTENTS) / SLACK)[:, None] ** 2 / 2
        begins = state.climbs <= 0
        return State(
            log_values=grow(state.log_values, gain, minutes(pane)),
            climbs=climb(state.climbs, gain),
            since=np.where(begins, pane.start, state.since),
            rows=np.where(begins, 0.0, state.rows) + rows,
            happened=np.where(begins, 0.0, state.happened) + happened,
        )

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """The share of rows since the rise began, against training's."""
        names = self.watches(baseline)
        sure = bernoulli.evidence(state.log_values)
        best = state.log_values.argmax(axis=0)
        usual = _expected(baseline)[0]
        changes = [self._change(state, int(best[i]), i, name, float(usual[i]), sure) for i, name in enumerate(names)]
        return finding(self.kind, Against.TRAINING, changes)

    def _change(self, state: State, track: int, place: int, name: str, usual: float, sure: Floats) -> Change:
        feature, _, flaw = name.rpartition(": ")
        rows = max(1.0, float(state.rows[track, place]))
        seen = float(state.happened[track, place]) / rows
        return Change(
            feature=feature,
            effect=max(0.0, seen - usual),
            measure="share of rows",
            tolerance=self._tolerance,
            evidence=float(sure[place]),
            direction=flaw,
            since=float(state.since[track, place]),
            rows=int(state.rows[track, place]),
            expected=usual,
            seen=seen,
        )


def _inputs(baseline: Baseline) -> list[int]:
    """Features of inputs that count rows, with their missing ones in the last slot."""
    features = baseline.schema.features
    return [i for i, feature in enumerate(features) if feature.is_input and feature.kind.is_of_rows]


def _slots(baseline: Baseline) -> np.ndarray:
    """The slot of each quantity, in the order of `watches`."""
    schema = baseline.schema
    flaws = [schema.offsets[i] + k for i in schema.of_kind(FeatureKind.QUALITY) for k in range(len(Flaw))]
    return np.array([*flaws, *(schema.offsets[i + 1] - 1 for i in _inputs(baseline))], np.int64)


def _rows(baseline: Baseline, pane: Pane) -> Floats:
    """Of how many rows each quantity is a share; refused requests come on top."""
    schema = baseline.schema
    rejected = list(Flaw).index(Flaw.REJECTED)
    rows = [
        pane.rows + (max(0.0, float(pane.counts[schema.offsets[i] + k])) if k == rejected else 0.0)
        for i in schema.of_kind(FeatureKind.QUALITY)
        for k in range(len(Flaw))
    ]
    return np.array([*rows, *([pane.rows] * len(_inputs(baseline)))], np.float64)


def _expected(baseline: Baseline) -> tuple[Floats, Floats]:
    """The share in training, and its upper limit with the slack; training has no flaws but missing values."""
    schema = baseline.schema
    flaws = len(schema.of_kind(FeatureKind.QUALITY)) * len(Flaw)
    places = _inputs(baseline)
    rows = np.array([schema.bins[i].n_ref for i in places], np.float64)
    missing = np.array([(schema.bins[i].counts or (0,))[-1] for i in places], np.float64)
    shares = missing / np.maximum(rows, 1.0)
    limits = np.where(missing > 0, bernoulli.upper(shares, rows), 1 / np.maximum(rows, 1000.0)) + SLACK
    return np.concatenate([np.zeros(flaws), shares]), np.concatenate([np.full(flaws, 2 * SLACK), limits])
