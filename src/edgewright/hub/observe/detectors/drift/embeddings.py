"""Embedding drift: the distance between the means of random Fourier features, a maximum mean discrepancy (MMD).

A profile holds the sums of 128 features of every embedding (Rahimi & Recht 2007), and the reference training's.
In windows of 500 rows |difference of means|²/(tr S·(1/n + 6/n_ref)) times the freedom f is about χ² with f degrees
where nothing changed (Satterthwaite 1946): tr S is known of the reference's means, since cos² + sin² = 1, and f comes
with the schema. The effect is the distance freed of noise, in units in which no two distributions are farther apart
than √2. Where the same hours before are known, the distance is taken from their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import FeatureKind
from edgewright.contract.profile.measures.embeddings import DIRECTIONS, SUMS, UNIT
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.drift.effects import reference_variance
from edgewright.hub.observe.detectors.drift.multinomial import OF_THE_SAME_WORLD, compared_with
from edgewright.hub.observe.detectors.evidence import LEAST, finding, minutes, of_p_values
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed
from edgewright.hub.observe.detectors.tails import chi_square_tail

WINDOW_ROWS = 500.0
TOLERANCE_MMD = 0.1
MIN_EXPECTED_ROWS = 500.0


@dataclass(frozen=True)
class State:
    """The window that is filling, and what the last full one said; arrays are (embeddings[, sums])."""

    seen: Floats  # sums, then present rows
    expected: Floats  # the same of what was expected of these rows
    variance: Floats  # (embeddings,): rows times the variance of the expectation
    evidence: Floats
    effect: Floats
    is_seasonal: Floats  # (embeddings,): 1 where a pane of the window was compared with the same hours before
    last_seasonal: Floats
    rows: float = 0.0
    minutes: float = 0.0
    start: float = 0.0
    last_start: float = 0.0
    last_rows: float = 0.0


class EmbeddingDrift(Packed[State]):
    """Watches every embedding; alarms with a maximum mean discrepancy over `tolerance`."""

    kind = AlertKind.EMBEDDING_DRIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_MMD, rows: float = WINDOW_ROWS) -> None:
        self._tolerance = tolerance
        self._rows = rows

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All embeddings with rows of training data."""
        return tuple(baseline.schema.features[place].name for place in _places(baseline))

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        count = len(_places(baseline))
        nothing, zeros = np.zeros((count, SUMS + 1)), np.zeros(count)
        return State(nothing, nothing, zeros, np.full(count, LEAST), zeros, zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more; the window that it fills is judged."""
        places = _places(baseline)
        if not places:
            return state
        seen = _sums(baseline, places, pane.counts)
        reference = _sums(baseline, places, baseline.counts)
        before = reference if pane.expected is None else _sums(baseline, places, pane.expected)
        is_known = before[:, SUMS] >= MIN_EXPECTED_ROWS if pane.expected is not None else np.zeros(len(places), bool)
        usual = np.where(is_known[:, None], before, reference)
        n = np.maximum(usual[:, SUMS], 1.0)
        variance = np.where(is_known, OF_THE_SAME_WORLD / n, reference_variance(n))
        rows = np.maximum(seen[:, SUMS], 0.0)
        filled = State(
            seen=state.seen + seen,
            expected=state.expected + (rows / n)[:, None] * usual,
            variance=state.variance + rows * variance,
            evidence=state.evidence,
            effect=state.effect,
            is_seasonal=np.maximum(state.is_seasonal, is_known),
            last_seasonal=state.last_seasonal,
            rows=state.rows + pane.rows,
            minutes=state.minutes + minutes(pane),
            start=state.start if state.rows else pane.start,
            last_start=state.last_start,
            last_rows=state.last_rows,
        )
        return filled if filled.rows < self._rows else _judged(filled, _freedom(baseline, places))

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """What the last full window said."""
        against = compared_with(state.last_seasonal, Against.TRAINING)
        names = self.watches(baseline)
        if not state.last_rows:
            return finding(self.kind, against, (), len(names))
        changes = [
            Change(
                feature=name,
                effect=float(state.effect[i]),
                measure="maximum mean discrepancy",
                tolerance=self._tolerance,
                evidence=float(state.evidence[i]),
                direction="moved",
                since=state.last_start,
                rows=int(state.last_rows),
                against=Against.SAME_HOUR if state.last_seasonal[i] else Against.TRAINING,
            )
            for i, name in enumerate(names)
        ]
        return finding(self.kind, against, changes)


def distances(baseline: Baseline, counts: Floats) -> dict[str, float]:
    """How far each embedding of `counts` (slots,) is from training's, freed of noise, in the unit of the effect."""
    places = _places(baseline)
    if not places:
        return {}
    seen, reference = _sums(baseline, places, counts), _sums(baseline, places, baseline.counts)
    rows, n_ref = np.maximum(seen[:, SUMS], 1.0), np.maximum(reference[:, SUMS], 1.0)
    means = reference[:, :SUMS] / n_ref[:, None]
    apart = ((seen[:, :SUMS] / rows[:, None] - means) ** 2).sum(axis=1)
    noise = _trace(means) * (1 / rows + reference_variance(n_ref))
    effects = np.where(seen[:, SUMS] > 0, np.sqrt(np.maximum(0.0, apart - noise)), 0.0)
    return {baseline.schema.features[place].name: float(effects[i]) for i, place in enumerate(places)}


def _trace(means: Floats) -> Floats:
    """tr S: cos² + sin² = 1 in every direction."""
    return np.asarray(np.maximum(1.0 - (means**2).sum(axis=1), 1e-6))


def _judged(state: State, freedom: Floats) -> State:
    """The full window's evidence and effect, and an empty one."""
    rows = np.maximum(state.seen[:, SUMS], 1.0)
    expected_rows = np.maximum(state.expected[:, SUMS], 1.0)
    means = state.expected[:, :SUMS] / expected_rows[:, None]
    apart = ((state.seen[:, :SUMS] / rows[:, None] - means) ** 2).sum(axis=1)
    noise = _trace(means) * (1 / rows + state.variance / rows)
    p = chi_square_tail(freedom * apart / noise, freedom)
    nothing, zeros = np.zeros_like(state.seen), np.zeros_like(state.variance)
    return State(
        seen=nothing,
        expected=nothing,
        variance=zeros,
        evidence=of_p_values(p, state.minutes),
        effect=np.sqrt(np.maximum(0.0, apart - noise)),
        is_seasonal=zeros,
        last_seasonal=state.is_seasonal,
        last_start=state.start,
        last_rows=state.rows,
    )


def _sums(baseline: Baseline, places: list[int], counts: Floats) -> Floats:
    """(embeddings, sums and present rows): scaled so that a row's features have the length 1."""
    starts = np.array([baseline.schema.offsets[place] for place in places])
    found = counts[starts[:, None] + np.arange(SUMS + 1)].astype(np.float64)
    found[:, :SUMS] /= UNIT * DIRECTIONS**0.5
    return found


def _places(baseline: Baseline) -> list[int]:
    return [place for place in baseline.schema.of_kind(FeatureKind.EMBEDDING) if baseline.schema.bins[place].n_ref]


def _freedom(baseline: Baseline, places: list[int]) -> Floats:
    projections = (baseline.schema.bins[place].projection for place in places)
    return np.array([1.0 if one is None else max(1.0, one.freedom) for one in projections])
