"""When a variant is still the model that it was made from."""

from __future__ import annotations

import numpy as np

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.optimize.measuring.parity import judge, predicted, relative_error
from edgewright.hub.optimize.model import Precision

LABEL = TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL)
SCORES = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.SCORES)
CONTRACT = Contract(inputs=(), outputs=(LABEL, SCORES))


def outputs(labels, shift=0.0):
    labels = np.array(labels)
    return {"label": labels, "scores": (np.eye(2)[labels] + shift).astype(np.float32)}


def verdict(precision, variant, *, drop=0.0):
    source = outputs([0, 1] * 50)
    return judge(precision, CONTRACT, source, variant, drop=drop, max_drop=0.02)


def test_float_variants_may_differ_by_rounding_only():
    assert verdict(Precision.FP32, outputs([0, 1] * 50, shift=5e-5)).is_kept
    assert not verdict(Precision.FP32, outputs([0, 1] * 50, shift=5e-4)).is_kept


def test_a_float_variant_with_nan_is_never_kept():
    broken = outputs([0, 1] * 50)
    broken["scores"][3, 1] = np.nan

    assert relative_error(outputs([0, 1] * 50), broken) == np.inf
    assert not verdict(Precision.FP32, broken).is_kept


def test_int8_variants_must_agree_on_nearly_every_class():
    two_off = outputs([0, 1] * 49 + [1, 0])
    three_off = outputs([0, 1] * 48 + [1, 1, 1, 0])

    assert verdict(Precision.INT8, two_off).is_kept
    assert verdict(Precision.INT8, two_off).value == 0.98
    assert not verdict(Precision.INT8, three_off).is_kept


def test_int8_variants_must_not_lose_accuracy_beyond_the_target_s_limit():
    same = outputs([0, 1] * 50)

    assert verdict(Precision.INT8, same, drop=0.02).is_kept
    assert not verdict(Precision.INT8, same, drop=0.021).is_kept


def test_classes_come_from_the_label_or_else_from_the_highest_score():
    only_scores = Contract(inputs=(), outputs=(SCORES,))

    assert predicted(CONTRACT, outputs([1, 0])).tolist() == [1, 0]
    assert predicted(only_scores, outputs([1, 0])).tolist() == [1, 0]
