"""What each metric says of two versions that answered the same rows, with the interval of the gain. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgewright.contract.api import MetricGain
from edgewright.hub.automate.judging.intervals import Design, Floats, Interval, of_mean, of_paired_rates, of_rate

ACCURACY, BRIER, CALIBRATION, R2, MAE = "accuracy", "brier", "calibration", "r2", "mae"
CALIBRATION_BINS = 15
NO_SPREAD = 1e-30


@dataclass(frozen=True)
class Answers:
    """What one version answered, row by row: classes with their scores' Brier loss, or errors of a regression.

    `brier` (rows,) and `confidence` (rows,) are None where the scores are no probabilities; `errors` is rows × columns.
    """

    is_right: np.ndarray | None = None
    classes: np.ndarray | None = None
    brier: Floats | None = None
    confidence: Floats | None = None
    errors: Floats | None = None

    def __getitem__(self, which: np.ndarray) -> Answers:
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: array[which] for name, array in given.items() if array is not None})


@dataclass(frozen=True)
class Pair:
    """Both versions' answers to the same rows, and the truth of a regression (rows × columns); no champion: None."""

    new: Answers
    old: Answers | None
    design: Design
    truth: Floats | None = None

    def __getitem__(self, which: np.ndarray) -> Pair:
        old = None if self.old is None else self.old[which]
        truth = None if self.truth is None else self.truth[which]
        return Pair(self.new[which], old, self.design[which], truth)


def known_metrics(pair: Pair) -> tuple[str, ...]:
    """Those that can be told of these answers; the first one is that by which the task is judged."""
    if pair.new.errors is not None:
        return (R2, MAE)
    has_scores = pair.new.brier is not None and (pair.old is None or pair.old.brier is not None)
    return (ACCURACY, BRIER, CALIBRATION) if has_scores else (ACCURACY,)


def gain(name: str, pair: Pair, alpha: float) -> MetricGain:
    """That metric of both; its interval leaves out `alpha`. The metric must be among `known_metrics`."""
    return _GAINS[name](pair, alpha)


def own_interval(name: str, pair: Pair, alpha: float) -> Interval | None:
    """Of the challenger's own value; None where there is none."""
    new = pair.new
    if name == ACCURACY and new.is_right is not None:
        return of_rate(new.is_right, pair.design, alpha)
    if name == BRIER and new.brier is not None:
        return of_mean(new.brier, pair.design, alpha)
    if name == MAE and new.errors is not None:
        return of_mean(np.abs(new.errors).mean(axis=1), pair.design, alpha)
    return None


def differing(name: str, pair: Pair) -> Floats:
    """What each row adds to the gain: how far rows are independent is seen by it. Without a champion, to the value."""
    new, old = _losses(name, pair, pair.new), None if pair.old is None else _losses(name, pair, pair.old)
    return new if old is None else old - new


def _losses(name: str, pair: Pair, answers: Answers) -> Floats:
    if answers.is_right is not None:
        return answers.brier if name == BRIER and answers.brier is not None else 1.0 - answers.is_right
    assert answers.errors is not None  # noqa: S101 (answers have one or the other)
    errors = answers.errors
    return np.asarray((np.abs(errors) if name == MAE else errors**2).mean(axis=1))


def _accuracy(pair: Pair, alpha: float) -> MetricGain:
    def value(answers: Answers) -> float:
        return pair.design.mean(np.asarray(answers.is_right, np.float64))

    if pair.old is None:
        return MetricGain(metric=ACCURACY, challenger=value(pair.new))
    low, high = of_paired_rates(
        np.asarray(pair.new.is_right, bool), np.asarray(pair.old.is_right, bool), pair.design, alpha
    )
    new, old = value(pair.new), value(pair.old)
    return MetricGain(metric=ACCURACY, challenger=new, champion=old, gain=new - old, low=low, high=high)


def _mean_loss(name: str) -> Callable[[Pair, float], MetricGain]:
    """Of a loss that is a mean over rows: the less, the better."""

    def told(pair: Pair, alpha: float) -> MetricGain:
        new = _losses(name, pair, pair.new)
        if pair.old is None:
            return MetricGain(metric=name, challenger=pair.design.mean(new))
        old = _losses(name, pair, pair.old)
        low, high = of_mean(old - new, pair.design, alpha)
        mine, theirs = pair.design.mean(new), pair.design.mean(old)
        return MetricGain(metric=name, challenger=mine, champion=theirs, gain=theirs - mine, low=low, high=high)

    return told


def _r2(pair: Pair, alpha: float) -> MetricGain:
    """The mean over columns. The gain is a ratio of two means, whose variance is that of its linearisation."""
    design, new = pair.design, np.asarray(pair.new.errors)
    truth = np.asarray(pair.truth)
    middle = np.array([design.mean(column) for column in truth.T])
    spread = (truth - middle) ** 2
    mean_spread = np.maximum([design.mean(column) for column in spread.T], NO_SPREAD)

    def value(errors: Floats) -> float:
        lost = np.array([design.mean(column) for column in (errors**2).T])
        return float(np.maximum(1 - lost / mean_spread, -1.0).mean())

    if pair.old is None:
        return MetricGain(metric=R2, challenger=value(new))
    old = np.asarray(pair.old.errors)
    saved = old**2 - new**2
    ratio = np.array([design.mean(column) for column in saved.T]) / mean_spread
    linear = ((saved - ratio * spread) / mean_spread).mean(axis=1)
    low, high = of_mean(linear, design, alpha)
    middle_gain = float(ratio.mean())
    mine, theirs = value(new), value(old)
    return MetricGain(
        metric=R2, challenger=mine, champion=theirs, gain=mine - theirs, low=middle_gain + low, high=middle_gain + high
    )


def _calibration(pair: Pair, _alpha: float) -> MetricGain:
    """Expected calibration error over bins of equally many rows (Nixon et al. 2019); it has no interval."""
    new = _calibration_error(pair.new, pair.design)
    if pair.old is None:
        return MetricGain(metric=CALIBRATION, challenger=new)
    old = _calibration_error(pair.old, pair.design)
    return MetricGain(metric=CALIBRATION, challenger=new, champion=old, gain=old - new)


def _calibration_error(answers: Answers, design: Design) -> float:
    confidence, is_right = np.asarray(answers.confidence), np.asarray(answers.is_right, np.float64)
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(CALIBRATION_BINS, len(confidence)))
    weights = design.weights
    away = [abs(float(weights[rows] @ (confidence[rows] - is_right[rows]))) for rows in bins if len(rows)]
    return sum(away) / float(weights.sum())


_GAINS: Mapping[str, Callable[[Pair, float], MetricGain]] = {
    ACCURACY: _accuracy,
    BRIER: _mean_loss(BRIER),
    CALIBRATION: _calibration,
    R2: _r2,
    MAE: _mean_loss(MAE),
}
