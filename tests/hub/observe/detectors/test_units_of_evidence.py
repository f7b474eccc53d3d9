"""Evidence in one unit, judged over all that is watched; and the sums behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors import THRESHOLD, Against, Change, over_all
from edgewright.hub.observe.detectors.evidence import finding
from edgewright.hub.observe.detectors.fairness.bias import difference
from edgewright.hub.observe.detectors.labels.bernoulli import gains, upper
from edgewright.hub.observe.detectors.labels.concept import smoothed_errors
from edgewright.hub.observe.detectors.labels.shift import estimated_mix
from edgewright.hub.observe.detectors.tails import chi_square_tail


def change(evidence: float, effect: float = 1.0) -> Change:
    return Change("x", effect=effect, measure="share", tolerance=0.1, evidence=evidence)


def found(*changes: Change, watched: int = 0):
    return finding(AlertKind.DATA_DRIFT, Against.TRAINING, changes, watched or len(changes))


def test_what_is_sure_and_small_is_no_alarm():
    assert found(change(THRESHOLD)).is_alarm
    assert not found(change(THRESHOLD, effect=0.05)).is_alarm


def test_the_more_is_watched_the_more_evidence_an_alarm_takes():
    alone = found(change(THRESHOLD + 1))

    together = over_all({"a": alone, "b": found(change(0.0), watched=99)})

    assert alone.is_alarm
    assert not together["a"].is_alarm
    assert over_all({"a": found(change(THRESHOLD + math.log(100))), "b": found(watched=99)})["a"].is_alarm


def test_many_together_need_less_each():
    half = found(*[change(THRESHOLD + math.log(2))] * 5, watched=10)

    assert len(half.alarmed) == 5


def test_a_bet_on_more_errors_wins_nothing_on_average_where_there_are_as_many_as_expected():
    p = np.array(0.1)
    won = sum(np.exp(gains(p, np.array(x), np.array(1.0))) * w for x, w in ((1.0, 0.1), (0.0, 0.9)))

    assert won == pytest.approx(np.ones((5,)))
    assert upper(np.array(0.1), np.array(100.0)) > 0.1


def test_error_rates_of_scores_never_rise_and_fill_empty_bins():
    scored, right = np.zeros(32), np.zeros(32)
    scored[[10, 20, 31]], right[[10, 20, 31]] = (50, 100, 500), (30, 90, 495)

    rates, _ = smoothed_errors(scored, right)

    assert (np.diff(rates) <= 1e-12).all()
    assert rates[10] > 0.2 > 0.05 > rates[31]


def test_the_true_mix_is_found_through_the_confusion():
    confusion = np.array([[90.0, 10.0], [20.0, 80.0]])
    live = np.array([0.8 * 0.9 + 0.2 * 0.2, 0.8 * 0.1 + 0.2 * 0.8]) * 1000

    mix = estimated_mix(confusion, live)

    assert mix is not None
    assert mix == pytest.approx([0.8, 0.2], abs=0.01)
    assert estimated_mix(np.zeros((2, 2)), live) is None


def test_a_difference_of_groups_has_an_interval_that_narrows():
    small, large = difference(10, 50, 5, 50), difference(1000, 5000, 500, 5000)

    assert small.low < 0 < small.high
    assert 0 < large.low < large.difference < large.high
    assert large.log_e > math.log(20) > small.log_e


def test_the_tail_of_chi_square_is_exact_where_alarms_are():
    assert chi_square_tail(np.array(43.82), np.array(19.0)) == pytest.approx(1e-3, rel=0.01)
    assert 0 < chi_square_tail(np.array(500.0), np.array(19.0)) < 1e-80
