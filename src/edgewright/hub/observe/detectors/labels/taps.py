"""'Wrong!' taps: do people reject more answers than they did in this version's first days?

Nobody knows beforehand how often people tap, so the first two days with taps, and at least 2 000 answers, teach the
usual share of answers that are rejected. From then on the e-detector of bernoulli.py watches for a rise. One person can
tap ten times: the usual share counts as if it rested on a tenth of the answers, and is multiplied by 1.25.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import FeatureKind
from edgewright.contract.profile.features import Tap
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.evidence import climb, finding, grow, minutes
from edgewright.hub.observe.detectors.labels import bernoulli
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

FIRST_DAYS_S = 2 * 86400.0
FIRST_ROWS = 2000.0
CLUMPS = 10.0
SLACK = 1.25
TOLERANCE = 0.5
"""A rise of the share by less than half of it is no news."""
EXTENTS = (0.005, 0.02, 0.05, 0.2)
WRONG = list(Tap).index(Tap.WRONG)


@dataclass(frozen=True)
class State:
    """The first days, and then arrays (extents,); sums run over the present climb."""

    log_values: Floats
    climbs: Floats
    since: Floats
    answers: Floats
    wrong: Floats
    first_at: float = 0.0
    first_answers: float = 0.0
    first_wrong: float = 0.0
    is_taught: int = 0


class WrongTaps(Packed[State]):
    """Watches 'wrong!' taps; alarms where their share of answers rose by `tolerance` times the usual one."""

    kind = AlertKind.FEEDBACK
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """The feedback of people."""
        return tuple(baseline.schema.features[place].name for place in baseline.schema.of_kind(FeatureKind.FEEDBACK))

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        zeros = np.zeros(len(EXTENTS))
        return State(np.full(len(zeros), -np.inf), zeros, zeros, zeros, zeros)

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        names = self.watches(baseline)
        if not names:
            return state
        taps = np.maximum(pane.counts[baseline.schema.span(names[0])], 0.0)
        wrong, answers = float(taps[WRONG]), max(float(pane.rows), float(taps.sum()))
        if not state.is_taught:
            return _taught(state, pane, wrong, answers)
        rate = state.first_wrong / state.first_answers
        p = bernoulli.upper(np.array(rate), np.array(state.first_answers / CLUMPS)) * SLACK
        gain = bernoulli.gains(p, np.array(wrong), np.array(answers), EXTENTS) / CLUMPS**0.5
        begins = state.climbs <= 0
        return replace(
            state,
            log_values=grow(state.log_values, gain, minutes(pane)),
            climbs=climb(state.climbs, gain),
            since=np.where(begins, pane.start, state.since),
            answers=np.where(begins, 0.0, state.answers) + answers,
            wrong=np.where(begins, 0.0, state.wrong) + wrong,
        )

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """The share of answers that are rejected, over that of the first days."""
        names = self.watches(baseline)
        if not names or not state.is_taught:
            return finding(self.kind, Against.FIRST_DAYS, (), len(names))
        best = int(state.log_values.argmax())
        usual = (state.first_wrong + 0.5) / (state.first_answers + 1)
        seen = float(state.wrong[best]) / max(1.0, float(state.answers[best]))
        change = Change(
            feature=names[0],
            effect=max(0.0, seen / usual - 1),
            measure="rise of the share of answers that people reject",
            tolerance=self._tolerance,
            evidence=float(bernoulli.evidence(state.log_values)),
            direction="higher" if seen > usual else "lower",
            since=float(state.since[best]),
            rows=int(state.answers[best]),
            expected=usual,
            seen=seen,
        )
        return finding(self.kind, Against.FIRST_DAYS, (change,))


def _taught(state: State, pane: Pane, wrong: float, answers: float) -> State:
    first_at = state.first_at or pane.start
    total = state.first_answers + answers
    is_enough = pane.end - first_at >= FIRST_DAYS_S and total >= FIRST_ROWS
    return replace(
        state,
        first_at=first_at,
        first_answers=total,
        first_wrong=state.first_wrong + wrong,
        is_taught=int(is_enough),
    )
