"""The intervals cover what they promise: few rows, unequal weights, rows that come in clusters."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.hub.automate.judging.intervals import (
    Design,
    of_difference,
    of_mean,
    of_paired_rates,
    of_rate,
    student,
    wilson,
)

ALPHA = 0.05


def covers(truth: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= truth <= interval[1]


@pytest.mark.parametrize("rows", [20, 60, 200])
def test_a_paired_difference_is_covered_with_few_rows_and_many(rows):
    random = np.random.default_rng(rows)
    covered = 0
    for _ in range(300):
        old = random.random(rows) < 0.70
        new = np.where(random.random(rows) < 0.8, old, random.random(rows) < 0.90)  # true difference 0.04
        covered += covers(0.04, of_paired_rates(new, old, Design.of(rows), ALPHA))

    assert covered >= 0.93 * 300


def test_rows_of_few_devices_tell_less_than_as_many_independent_ones():
    random = np.random.default_rng(3)
    covered = naive = 0
    devices = np.repeat(np.arange(8), 20)
    for _ in range(300):
        better = np.clip(0.6 + random.normal(0.04, 0.15, 8), 0, 1)[devices]
        old, new = random.random(160) < 0.6, random.random(160) < better
        covered += covers(0.04, of_paired_rates(new, old, Design.of(160, None, devices), ALPHA))
        naive += covers(0.04, of_paired_rates(new, old, Design.of(160), ALPHA))

    assert covered >= 0.93 * 300
    assert naive < 0.90 * 300


def test_weighted_rates_are_those_of_the_population_and_their_intervals_cover_it():
    random = np.random.default_rng(5)
    covered = 0
    weights = np.concatenate([np.full(80, 3.0), np.full(80, 1.0)])  # busy devices are three quarters of the field
    for _ in range(300):
        hits = np.concatenate([random.random(80) < 0.9, random.random(80) < 0.5])
        covered += covers(0.8, of_rate(hits, Design.of(160, weights), ALPHA))

    assert covered >= 0.92 * 300


def test_no_row_weighs_more_than_four_times_the_mean_whatever_its_device_says():
    weights = np.ones(100)
    weights[0] = 1e12

    design = Design.of(100, weights)

    assert design.weights[0] / design.weights.sum() <= 1.0
    assert Design.of(100, np.array([*np.ones(99), 50.0])).weights[-1] == pytest.approx(4 * 149 / 100)


def test_a_weight_that_is_no_number_counts_one():
    weights = np.array([1.0, np.nan, -3.0, np.inf, 1.0])

    assert Design.of(5, weights).weights.tolist() == [1.0] * 5


def test_two_versions_that_never_differ_leave_doubt_that_shrinks_with_rows():
    same = np.ones(50, bool), np.ones(50, bool)
    few = of_paired_rates(*same, Design.of(50), ALPHA)
    many = of_paired_rates(np.ones(5000, bool), np.ones(5000, bool), Design.of(5000), ALPHA)

    assert few[0] < 0 < few[1] < 0.06
    assert many[1] < 0.001


def test_the_difference_of_two_groups_is_covered():
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        one, other = random.random(50) < 0.3, random.random(80) < 0.1
        covered += covers(0.2, of_difference(one, other, Design.of(50), Design.of(80), ALPHA))

    assert covered >= 0.93 * 300


def test_students_quantiles_are_those_of_the_tables():
    assert student(1.959964, 4) == pytest.approx(2.776, abs=2e-3)
    assert student(1.959964, 7) == pytest.approx(2.365, abs=1e-3)
    assert student(2.575829, 10) == pytest.approx(3.169, abs=1e-3)


def test_wilson_stays_within_a_share():
    assert wilson(0.0, 10, 1.96) == (0.0, pytest.approx(0.2775, abs=1e-3))
    assert wilson(1.0, 10, 1.96)[1] == 1.0


def test_one_row_and_equal_rows_have_an_interval_too():
    assert of_mean(np.array([0.4]), Design.of(1), ALPHA) == (0.4, 0.4)
    low, high = of_rate(np.array([True]), Design.of(1), ALPHA)
    assert 0 < low < high == 1.0
