"""How good answers are, how sure that is, and what was lost."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.api import Metric
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.optimize.measuring.metrics import metric_of, quality, wilson


def contract(kind, *shape):
    return Contract(inputs=(), outputs=(TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, *shape), kind=kind),))


CLASSES = contract(Kind.SCORES, 2)


def scores(labels):
    return {"y": np.eye(2, dtype=np.float32)[np.asarray(labels)]}


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("label", "accuracy"), ("scores", "accuracy"), ("value", "r2"), ("embedding", "cosine"), ("numeric", "cosine")],
)
def test_what_a_model_answers_decides_its_metric(kind, metric):
    assert metric_of(contract(Kind(kind))) is Metric(metric)


def test_wilson_s_interval_is_that_of_the_books():
    low, high = wilson(0.9, 100)  # Brown, Cai and DasGupta's formula by hand

    assert (round(low, 4), round(high, 4)) == (0.8256, 0.9448)
    assert wilson(1.0, 50)[1] == pytest.approx(1.0)
    assert wilson(1.0, 50)[0] < 0.95


def test_a_variant_as_good_as_its_source_lost_nothing():
    truth = np.resize([0, 1], 400)

    found = quality(CLASSES, scores(truth), scores(truth), truth=truth)

    assert (found.value, found.drop, found.drop_high, found.rows) == (1.0, 0.0, 0.0, 400)


def test_the_loss_has_a_paired_interval_that_is_narrower_than_two_separate_ones():
    truth = np.resize([0, 1], 1000)
    source, variant = truth.copy(), truth.copy()
    source[:100] = variant[:105] = 1 - truth[:1]  # both wrong in half of the same rows

    found = quality(CLASSES, scores(source), scores(variant), truth=truth)

    assert 0 < found.drop < found.drop_high < 0.01
    assert found.high - found.low > 0.02


def test_the_same_rows_give_the_same_figures():
    truth = np.resize([0, 1, 1], 300)
    variant = np.resize([0, 1], 300)

    first, second = (quality(CLASSES, scores(truth), scores(variant), truth=truth) for _ in range(2))

    assert first == second


def test_a_regression_is_told_by_r2_as_scikit_learn_defines_it():
    truth = np.array([3.0, -0.5, 2.0, 7.0])
    answers = {"y": np.array([[2.5], [0.0], [2.0], [8.0]], np.float32)}

    found = quality(contract(Kind.VALUE, 1), answers, answers, truth=truth)

    assert found.metric is Metric.R2
    assert found.value == pytest.approx(0.9486081)  # the example of sklearn.metrics.r2_score


def test_embeddings_are_held_against_the_source_s_and_need_no_truth():
    one = {"y": np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32)}
    turned = {"y": -one["y"]}

    assert quality(contract(Kind.EMBEDDING, 8), one, {"y": 2 * one["y"]}, truth=None).value == pytest.approx(1.0)
    assert quality(contract(Kind.EMBEDDING, 8), one, turned, truth=None).drop == pytest.approx(2.0)


def test_groups_have_figures_of_their_own():
    truth, groups = np.resize([0, 1], 100), np.repeat(["north", "south"], 50)
    variant = truth.copy()
    variant[50:75] = 1 - variant[50:75]

    found = quality(CLASSES, scores(truth), scores(variant), truth=truth, groups=groups)

    assert found.groups == {"north": 1.0, "south": 0.5}


def test_no_truth_and_truth_of_another_length_are_refused():
    answers = scores([0, 1])

    for truth in (None, np.array([0, 1, 1])):
        with pytest.raises(InvalidInput):
            quality(CLASSES, answers, answers, truth=truth)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("kind", "worth"), [(Kind.VALUE, 1 / 3), (Kind.EMBEDDING, 0.9)])  # a column of three, a row
def test_answers_that_are_no_numbers_are_worth_nothing_and_the_figures_stay_numbers(kind, worth, odd):
    truth = np.random.default_rng(0).random((10, 3)).astype(np.float32)
    answers = truth.copy()
    answers[4, 1] = odd

    found = quality(contract(kind, 3), {"y": truth}, {"y": answers}, truth=truth)

    assert found.value == pytest.approx(worth)
    assert np.isfinite([found.low, found.high, found.drop, found.drop_high]).all()


def test_r2_of_a_truth_that_is_large_and_varies_little_is_exact():
    spread = np.array([0.0, 1.0, 2.0, 3.0])
    answers = spread + np.array([0.5, 0.0, 0.0, 0.0])

    found = quality(contract(Kind.VALUE), {"y": spread + 1e9}, {"y": answers + 1e9}, truth=spread + 1e9)

    assert found.value == pytest.approx(0.95)
