"""The bias gate: how far groups of people, sites or hardware differ in what the challenger does to them. Pure.

The measures are those of fairlearn and of Hardt, Price & Srebro (2016): error rate, selection rate (demographic
parity) and true-positive rate (equal opportunity); for regressions the mean absolute error. Of each measure the two
groups are told that differ most. Their difference has an interval (Newcombe 1998; Welch 1947 for means) that holds for
all pairs of groups, measures and hold-outs together (Bonferroni), so that the search for the worst pair is paid for.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import BiasRules, Disparity, Fairness, LineState, RuleLine
from edgewright.hub.automate.judging.comparing import Holdout
from edgewright.hub.automate.judging.intervals import Design, Floats, Interval, of_difference, of_mean_difference
from edgewright.hub.automate.judging.metrics import Answers


@dataclass(frozen=True)
class Side:
    """One group's rows, as a measure sees them: 1 and 0, or numbers; with the champion's on the same rows."""

    name: str
    values: Floats
    before: Floats | None
    design: Design

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """What the measure is in this group."""
        return self.design.mean(self.values)


Case = tuple[Holdout, str, Fairness, list[Side], list[Side]]  # … groups with rows enough, and the others


def disparities(
    holdouts: Sequence[Holdout], truths: Mapping[str, np.ndarray], rules: BiasRules, confidence: float
) -> tuple[Disparity, ...]:
    """What each measure says of each declared key on each hold-out that tells it; `truths` are the labels by hold-out.

    A key that no hold-out tells, or that tells one group, is unsure.
    """
    cases = [case for one in holdouts for case in _cases(one, truths[one.name], rules)]
    pairs = sum(len(list(itertools.combinations(enough, 2))) for *_, enough, _ in cases)
    alpha = (1.0 - confidence) / max(1, pairs)
    told = {case[1] for case in cases}
    missing = [_untold(key, measure) for key in rules.groups if key not in told for measure in rules.measures]
    return (*(_disparity(case, rules, alpha) for case in cases), *missing)


def bias_line(found: Sequence[Disparity], rules: BiasRules) -> RuleLine:
    """What the gate says in one line. UNSURE becomes what `rules.not_enough` says."""
    failed = [one for one in found if one.state is LineState.FAILED]
    if failed:
        return RuleLine(rule="bias", state=LineState.FAILED, reason="; ".join(one.reason for one in failed))
    unsure = [one for one in found if one.state is LineState.UNSURE]
    if unsure:
        state = _NOT_ENOUGH[rules.not_enough.value]
        return RuleLine(rule="bias", state=state, reason="; ".join(one.reason for one in unsure))
    worst = max(found, key=lambda one: one.difference, default=None)
    reason = worst.reason if worst else "no group is declared"
    return RuleLine(rule="bias", state=LineState.PASSED, reason=reason)


_NOT_ENOUGH = {"ask": LineState.UNSURE, "let": LineState.PASSED, "fail": LineState.FAILED}


def _cases(one: Holdout, truth: np.ndarray, rules: BiasRules) -> list[Case]:
    found: list[Case] = []
    for key in rules.groups:
        groups = one.groups.get(key)
        for measure in rules.measures if groups is not None else ():
            counted = _counted(measure, one.pair.new, truth, rules)
            if counted is None or groups is None:
                continue
            before = None if one.pair.old is None else _counted(measure, one.pair.old, truth, rules)
            sides = _sides(groups, counted, before, one.pair.design)
            enough = [side for side in sides if len(side) >= rules.min_rows]
            found.append((one, key, measure, enough, [side for side in sides if len(side) < rules.min_rows]))
    return found


def _counted(
    measure: Fairness, answers: Answers, truth: np.ndarray, rules: BiasRules
) -> tuple[Floats, np.ndarray] | None:
    """The measure's value on each row, and which rows count; None where these answers do not tell it."""
    every = np.ones(len(truth), bool)
    if measure is Fairness.ABSOLUTE_ERROR:
        return None if answers.errors is None else (np.abs(answers.errors).mean(axis=1), every)
    if answers.is_right is None or answers.classes is None:
        return None
    if measure is Fairness.ERROR_RATE:
        return 1.0 - answers.is_right.astype(np.float64), every
    is_selected = (answers.classes.astype(str) == str(rules.positive)).astype(np.float64)
    if measure is Fairness.SELECTION_RATE:
        return is_selected, every
    return is_selected, truth.reshape(-1).astype(str) == str(rules.positive)


def _sides(
    groups: np.ndarray,
    counted: tuple[Floats, np.ndarray],
    before: tuple[Floats, np.ndarray] | None,
    design: Design,
) -> list[Side]:
    values, counts = counted
    sides = []
    for name in np.unique(groups):
        rows = (groups == name) & counts
        old = None if before is None else before[0][rows]
        sides.append(Side(str(name), values[rows], old, design[rows]))
    return sides


def _disparity(case: Case, rules: BiasRules, alpha: float) -> Disparity:
    one, key, measure, enough, small = case
    rows = min(map(len, enough), default=0)
    if len(enough) < 2:
        told = f"{len(enough)} of its {len(enough) + len(small)} groups have {rules.min_rows} rows"
        return _unsure(one.name, key, measure, f"{measure} by {key} on {one.name}: {told}")
    high, low = max(enough, key=lambda side: side.mean), min(enough, key=lambda side: side.mean)
    difference = high.mean - low.mean
    interval = _interval(measure, high, low, alpha)
    state = _state(difference, interval, small, rules)
    return Disparity(
        holdout=one.name,
        key=key,
        measure=measure,
        state=state,
        reason=_sentence(case, high, low, interval, rules),
        lowest=low.name,
        highest=high.name,
        difference=difference,
        low=interval[0],
        high=interval[1],
        rows=rows,
        champion_difference=_before(high, low),
    )


def _state(difference: float, interval: Interval, small: Sequence[Side], rules: BiasRules) -> LineState:
    """A difference over the limit fails where it is proven to be one; where not, or where groups are small, unsure."""
    if difference > rules.limit:
        return LineState.FAILED if interval[0] > 0 else LineState.UNSURE
    return LineState.UNSURE if small else LineState.PASSED


def _interval(measure: Fairness, high: Side, low: Side, alpha: float) -> Interval:
    if measure is Fairness.ABSOLUTE_ERROR:
        return of_mean_difference(high.values, low.values, high.design, low.design, alpha)
    return of_difference(high.values > 0, low.values > 0, high.design, low.design, alpha)


def _before(high: Side, low: Side) -> float | None:
    if high.before is None or low.before is None:
        return None
    return high.design.mean(high.before) - low.design.mean(low.before)


def _sentence(case: Case, high: Side, low: Side, interval: Interval, rules: BiasRules) -> str:
    one, key, measure, _, small = case
    told = (
        f"{measure} by {key} on {one.name}: {high.mean:.3f} for {high.name} ({len(high)} rows), {low.mean:.3f} for "
        f"{low.name} ({len(low)}); {high.mean - low.mean:.3f} apart ({interval[0]:+.3f} to {interval[1]:+.3f}), "
        f"{rules.limit:g} may be"
    )
    return f"{told}; fewer than {rules.min_rows} rows: {', '.join(side.name for side in small)}" if small else told


def _untold(key: str, measure: Fairness) -> Disparity:
    return _unsure("", key, measure, f"{measure} by {key}: no hold-out tells it")


def _unsure(holdout: str, key: str, measure: Fairness, reason: str) -> Disparity:
    return Disparity(holdout=holdout, key=key, measure=measure, state=LineState.UNSURE, reason=reason)
