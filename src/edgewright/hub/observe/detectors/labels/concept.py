"""Concept drift: do labels contradict the answers more often than on the hold-out? Indexed by the labels' arrival.

Labels come late, in heaps, and for a part of the answers alone: so time is counted in labels, in the order in which
they arrive. Each answer is wrong with a probability of at most p: where its score is known, by how often answers of
that score were wrong on the hold-out, which makes an error at a high score say more, and makes it no matter that
uncertain answers were chosen for labelling; else the hold-out's error rate, and then only answers that were chosen
evenly count. p is Wilson's upper limit of what the hold-out says, plus a hundredth. See bernoulli.py for the
e-detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline, Floats, HoldOut
from edgewright.hub.observe.detectors.evidence import climb, finding, grow, minutes
from edgewright.hub.observe.detectors.labels import bernoulli
from edgewright.hub.observe.detectors.model import Against, Answers, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

TOLERANCE_POINTS = 0.05
SLACK = 0.01
CHUNK = 10
POOLED = 30.0
"""Rows that a score's bin is smoothed with towards the mean of its neighbours."""


@dataclass(frozen=True)
class State:
    """Arrays are (extents,); sums run over the present climb."""

    log_values: Floats
    climbs: Floats
    since: Floats
    labels: Floats
    wrong: Floats
    expected: Floats


class ConceptDrift(Packed[State]):
    """Watches the errors of labelled answers; alarms with an error rate that rose by `tolerance` or more."""

    kind = AlertKind.CONCEPT_DRIFT
    reads = frozenset({Reads.ANSWERS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_POINTS) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """The error rate, where the hold-out's is known."""
        return ("errors",) if baseline.hold_out.error_rate is not None else ()

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        zeros = np.zeros(len(bernoulli.EXTENTS))
        return State(np.full(len(zeros), -np.inf), zeros, zeros, zeros, zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """The pane's labels, a few at a time."""
        if pane.answers is None or not self.watches(baseline):
            return state
        p, mean, is_told = expected_errors(baseline.hold_out, pane.answers)
        wrong, p, mean = pane.answers.is_wrong[is_told], p[is_told], mean[is_told]
        starts = range(0, len(wrong), CHUNK)
        for start in starts:
            some = slice(start, start + CHUNK)
            state = _step(state, p[some], mean[some], wrong[some].astype(np.float64), pane, minutes(pane) / len(starts))
        return state

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """The error rate since the rise began, against what was expected of the same answers."""
        if not self.watches(baseline):
            return finding(self.kind, Against.HOLD_OUT, ())
        best = int(state.log_values.argmax())
        labels = max(1.0, float(state.labels[best]))
        seen, expected = float(state.wrong[best]) / labels, float(state.expected[best]) / labels
        change = Change(
            feature="errors",
            effect=max(0.0, seen - expected),
            measure="rise of the error rate",
            tolerance=self._tolerance,
            evidence=float(bernoulli.evidence(state.log_values)),
            direction="higher" if seen > expected else "lower",
            since=float(state.since[best]),
            rows=int(state.labels[best]),
            expected=expected,
            seen=seen,
        )
        return finding(self.kind, Against.HOLD_OUT, (change,))


def expected_errors(hold_out: HoldOut, answers: Answers) -> tuple[Floats, Floats, np.ndarray]:
    """For each answer: the upper limit of the chance that it is wrong, that chance, and whether the answer counts."""
    rate, rows = hold_out.error_rate or 0.0, float(hold_out.rows)
    limit = float(bernoulli.upper(np.array(rate), np.array(rows))) + SLACK
    p, mean = np.full(len(answers), limit), np.full(len(answers), rate)
    if hold_out.scored is None or hold_out.right is None:
        return p, mean, answers.is_even
    has_score = np.isfinite(answers.score)
    by_bin, known = smoothed_errors(hold_out.scored, hold_out.right)
    bins = len(by_bin)
    place = np.clip(np.where(has_score, answers.score, 0.0) * bins, 0, bins - 1).astype(np.int64)
    of_score = bernoulli.upper(by_bin, known) + SLACK
    return (
        np.where(has_score, of_score[place], p),
        np.where(has_score, by_bin[place], mean),
        has_score | answers.is_even,
    )


def smoothed_errors(scored: Floats, right: Floats) -> tuple[Floats, Floats]:
    """The error rate in each of the score's bins, and the rows it rests on.

    Made falling with the score (isotonic, by pooling neighbours that are out of order: Ayer et al. 1955), after each
    bin was smoothed with 30 rows of the line through all of them, by which empty bins get a rate as well.
    """
    middles = (np.arange(len(scored)) + 0.5) / len(scored)
    wrong, total = scored - right, max(1.0, float(scored.sum()))
    mean_score, mean_wrong = float((scored * middles).sum()) / total, float(wrong.sum()) / total
    spread = float((scored * (middles - mean_score) ** 2).sum())
    slope = float(((wrong - mean_wrong * scored) * (middles - mean_score)).sum()) / spread if spread > 0 else 0.0
    line = np.clip(mean_wrong + min(0.0, slope) * (middles - mean_score), 0.5 / total, 1.0)
    pooled = min(POOLED, total)
    weights = scored + pooled
    rates = _falling((wrong + pooled * line) / weights, weights)
    return rates, weights


def _falling(rates: Floats, weights: Floats) -> Floats:
    """The nearest rates that never rise, in weighted squares."""
    blocks: list[tuple[float, float, int]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        block = (rate, weight, 1)
        while blocks and blocks[-1][0] < block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            block = ((before[0] * before[1] + block[0] * block[1]) / total, total, before[2] + block[2])
        blocks.append(block)
    return np.concatenate([np.full(size, rate) for rate, _, size in blocks])


def _step(state: State, p: Floats, mean: Floats, wrong: Floats, pane: Pane, minutes: float) -> State:
    gain = bernoulli.gains(p, wrong, np.ones(len(p))).sum(axis=1)
    begins = state.climbs <= 0
    return State(
        log_values=grow(state.log_values, gain, minutes),
        climbs=climb(state.climbs, gain),
        since=np.where(begins, pane.start, state.since),
        labels=np.where(begins, 0.0, state.labels) + len(p),
        wrong=np.where(begins, 0.0, state.wrong) + wrong.sum(),
        expected=np.where(begins, 0.0, state.expected) + mean.sum(),
    )
