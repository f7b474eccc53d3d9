"""When a variant is still the model that it was made from, and when two runtimes compute the same one."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.optimize.measuring.metrics import predicted, quality
from edgewright.hub.optimize.measuring.parity import NOT_ALIKE, compare_elsewhere, judge, relative_error
from edgewright.hub.optimize.model import Precision

LABEL = TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL)
SCORES = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.SCORES)
CONTRACT = Contract(inputs=(), outputs=(LABEL, SCORES))


def outputs(labels, shift=0.0):
    labels = np.array(labels)
    return {"label": labels, "scores": (np.eye(2)[labels] + shift).astype(np.float32)}


def verdict(precision, variant, *, max_drop=0.02):
    truth = np.resize([0, 1], len(variant["label"]))
    source = outputs(truth)
    found = quality(CONTRACT, source, variant, truth=truth)
    return judge(precision, CONTRACT, source, variant, found, max_drop=max_drop)


def with_wrong(wrong, rows):
    """The truth of so many rows, but for some that are wrong."""
    labels = np.resize([0, 1], rows)
    labels[:wrong] = 1 - labels[:wrong]
    return outputs(labels)


@pytest.mark.parametrize(("precision", "within", "beyond"), [("fp32", 5e-5, 5e-4), ("half", 1e-2, 3e-2)])
def test_float_variants_may_differ_by_rounding_only(precision, within, beyond):
    assert verdict(Precision(precision), outputs([0, 1] * 50, shift=within)).is_kept
    assert not verdict(Precision(precision), outputs([0, 1] * 50, shift=beyond)).is_kept


def test_a_float_variant_with_nan_is_never_kept():
    broken = outputs([0, 1] * 50)
    broken["scores"][3, 1] = np.nan

    assert relative_error(outputs([0, 1] * 50), broken) == NOT_ALIKE
    assert not verdict(Precision.FP32, broken).is_kept


def test_what_goes_by_the_metric_must_not_lose_more_than_the_target_allows():
    assert verdict(Precision.INT8, with_wrong(5, 1000)).is_kept
    assert not verdict(Precision.INT8, with_wrong(21, 1000)).is_kept


def test_a_loss_within_the_limit_is_refused_where_the_rows_cannot_show_it():
    lost = verdict(Precision.INT8, with_wrong(19, 1000))

    assert not lost.is_kept
    assert "at worst -2." in lost.reason


def test_one_row_of_a_small_hold_out_refuses_nobody_whose_limit_it_reaches():
    assert verdict(Precision.INT8, with_wrong(1, 500), max_drop=0.002).is_kept
    assert not verdict(Precision.INT8, with_wrong(2, 500), max_drop=0.002).is_kept


def test_another_model_is_not_kept_however_good_it_is():
    truth = np.resize([0, 1], 1000)
    source, variant = with_wrong(150, 1000), outputs(truth)
    found = quality(CONTRACT, source, variant, truth=truth)

    verdict = judge(Precision.INT8, CONTRACT, source, variant, found, max_drop=0.02)

    assert found.drop == pytest.approx(-0.15)
    assert verdict.value == 0.85
    assert not verdict.is_kept


def test_one_int8_model_may_differ_by_two_steps_on_another_runtime():
    only_scores = Contract(inputs=(), outputs=(SCORES,))
    here = {"scores": np.linspace(0, 1, 512, dtype=np.float32).reshape(256, 2)}

    def elsewhere(steps):
        return compare_elsewhere(only_scores, here, {"scores": here["scores"] + np.float32(steps / 255)})

    assert elsewhere(1.9).holds(Precision.INT8)
    assert not elsewhere(2.1).holds(Precision.INT8)
    assert not elsewhere(1.0).holds(Precision.FP32)


def test_classes_come_from_the_label_or_else_from_the_highest_score():
    only_scores = Contract(inputs=(), outputs=(SCORES,))

    assert predicted(CONTRACT, outputs([1, 0])).tolist() == [1, 0]
    assert predicted(only_scores, outputs([1, 0])).tolist() == [1, 0]
