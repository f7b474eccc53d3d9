"""Two versions on the same rows: metrics, groups and how many intervals hold together; the bias between groups."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.api import BiasRules, EvaluationRules, Fairness, LineState
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.automate.judging.bias import disparities
from edgewright.hub.automate.judging.comparing import Holdout, compare
from edgewright.hub.automate.judging.evaluator import worth
from edgewright.hub.automate.judging.groups import group_columns
from edgewright.hub.automate.judging.intervals import Design
from edgewright.hub.automate.judging.metrics import Answers, Pair

SITES = ("berlin", "porto")
BY_SITE = EvaluationRules(groups=("site",))


def classified(right: np.ndarray, classes: np.ndarray | None = None) -> Answers:
    return Answers(is_right=right, classes=right.astype(np.int64) if classes is None else classes)


def field(pair: Pair, groups=None, *, name="d@2/holdout.npz") -> Holdout:
    return Holdout(name=name, sha256="ab", is_fresh=False, pair=pair, groups=groups or {})


def test_a_gain_is_positive_where_the_challenger_is_better_whichever_way_is_up():
    random = np.random.default_rng(0)
    right = random.random(300) < 0.8
    new = Answers(
        is_right=right,
        classes=right.astype(np.int64),
        brier=np.full(300, 0.1) + random.normal(0, 0.01, 300),
        confidence=np.full(300, 0.8),
    )
    old = Answers(is_right=right, classes=right.astype(np.int64), brier=np.full(300, 0.3), confidence=np.full(300, 1.0))

    (found,) = compare([field(Pair(new, old, Design.of(300)))], EvaluationRules())

    brier = found.metric("brier")
    assert (brier.gain, brier.low > 0) == (pytest.approx(0.2, abs=0.01), True)
    assert found.metric("calibration").gain > 0.1
    assert found.metrics[0].metric == "accuracy"
    assert found.agreement == 1.0


def test_a_regression_is_judged_by_r2_and_absolute_errors():
    random = np.random.default_rng(1)
    truth = random.normal(0, 10, (400, 1))
    new, old = (Answers(errors=random.normal(0, spread, (400, 1))) for spread in (2.0, 4.0))

    (found,) = compare([field(Pair(new, old, Design.of(400), truth))], EvaluationRules())

    r2, mae = found.metric("r2"), found.metric("mae")
    assert (r2.champion, r2.challenger) == (pytest.approx(0.84, abs=0.05), pytest.approx(0.96, abs=0.02))
    assert r2.low < r2.gain < r2.high
    assert r2.low > 0
    assert mae.gain == pytest.approx(1.6, abs=0.4)
    assert found.agreement is None


def test_the_gain_in_r2_is_covered():
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        truth = random.normal(0, 1, (150, 1))
        pair = Pair(
            Answers(errors=random.normal(0, 0.5, (150, 1))),
            Answers(errors=random.normal(0, 0.7, (150, 1))),
            Design.of(150),
            truth,
        )
        (found,) = compare([field(pair)], EvaluationRules())
        covered += found.metrics[0].low <= 0.49 - 0.25 <= found.metrics[0].high

    assert covered >= 0.92 * 200


def test_intervals_of_more_groups_and_hold_outs_are_wider_so_that_all_hold_together():
    random = np.random.default_rng(3)
    pair = Pair(classified(random.random(400) < 0.8), classified(random.random(400) < 0.7), Design.of(400))
    two = {"site": np.resize(np.array(SITES), 400)}
    eight = {"site": np.resize(np.array(list("abcdefgh")), 400)}

    narrow = compare([field(pair, two)], BY_SITE)[0]
    wide = compare([field(pair, eight), field(pair, eight, name="other")], BY_SITE)[0]

    assert narrow.confidence == pytest.approx(0.95)
    assert wide.confidence == pytest.approx(0.975)
    of_one = compare([field(pair[eight["site"] == "a"], {"site": np.full(50, "a")})], BY_SITE)[0].groups[0].gain
    same = next(one for one in wide.groups if one.name == "a").gain
    assert same.high - same.low > of_one.high - of_one.low


def test_twenty_equal_groups_rarely_show_one_that_is_worse():
    random = np.random.default_rng(4)
    alarms = 0
    names = np.repeat([f"s{number}" for number in range(20)], 50)
    for _ in range(60):
        pair = Pair(classified(random.random(1000) < 0.8), classified(random.random(1000) < 0.8), Design.of(1000))
        (found,) = compare([field(pair, {"site": names})], BY_SITE)
        alarms += any(one.gain.high < 0 for one in found.groups)

    assert alarms <= 5


def test_groups_come_from_arrays_columns_and_cuts():
    contract = Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2), names=("age", "height")),),
        outputs=(TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL),),
    )
    arrays = {"x": np.array([[17, 1.5], [40, 1.8], [np.nan, 1.6]]), "site": np.array(["a", "", "b"])}
    rules = EvaluationRules(groups=("site", "x.age", "x.1", "unheard"), cuts={"x.age": (18.0, 65.0), "x.1": (1.7,)})

    found = group_columns(arrays, contract, rules)

    assert found["site"].tolist() == ["a", "unknown", "b"]
    assert found["x.age"].tolist() == ["below 18", "18 to 65", "unknown"]
    assert found["x.1"].tolist() == ["below 1.7", "1.7 and above", "below 1.7"]
    assert "unheard" not in found


def test_a_key_with_hundreds_of_values_asks_for_cuts():
    contract = Contract(inputs=(), outputs=())
    with pytest.raises(InvalidInput, match="300 groups"):
        group_columns({"age": np.arange(300)}, contract, EvaluationRules(groups=("age",)))


def biased(rate: float, rows: int = 200, measures=(Fairness.ERROR_RATE,), **rules):
    """Porto's answers are wrong so much more often than Berlin's."""
    random = np.random.default_rng(5)
    sites = np.resize(np.array(SITES), rows)
    right = random.random(rows) > np.where(sites == "porto", 0.1 + rate, 0.1)
    truth = random.integers(0, 2, rows)
    classes = np.where(right, truth, 1 - truth)
    pair = Pair(Answers(is_right=right, classes=classes), None, Design.of(rows))
    wanted = BiasRules(groups=("site",), measures=measures, positive=1, **rules)
    return disparities([field(pair, {"site": sites})], {"d@2/holdout.npz": truth}, wanted, 0.95)


def test_a_group_that_is_wronged_beyond_doubt_fails_the_bias_gate_with_its_numbers():
    (found,) = biased(0.4)

    assert found.state is LineState.FAILED
    assert (found.highest, found.lowest) == ("porto", "berlin")
    assert found.low > 0
    assert "error_rate by site on d@2/holdout.npz" in found.reason
    assert "0.1 may be" in found.reason


def test_equal_groups_pass_and_few_rows_are_not_enough():
    assert biased(0.0, rows=1000)[0].state is LineState.PASSED
    (few,) = biased(0.4, rows=60)
    assert few.state is LineState.UNSURE
    assert "0 of its 2 groups have 50 rows" in few.reason


def test_a_difference_that_chance_may_have_made_is_unsure():
    (found,) = biased(0.13, rows=120, min_rows=20)

    assert found.difference > 0.1
    assert found.low < 0
    assert found.state is LineState.UNSURE


def test_every_declared_measure_is_told_and_a_key_without_rows_is_unsure():
    every = (Fairness.ERROR_RATE, Fairness.SELECTION_RATE, Fairness.TRUE_POSITIVE_RATE)

    found = biased(0.3, rows=600, measures=every)
    missing = disparities([], {}, BiasRules(groups=("sex",)), 0.95)

    assert [one.measure for one in found] == list(every)
    assert found[2].state is LineState.FAILED
    assert (missing[0].state, missing[0].reason) == (LineState.UNSURE, "error_rate by sex: no hold-out tells it")


def test_equal_groups_rarely_fail_the_bias_gate():
    random = np.random.default_rng(6)
    failed = 0
    sites = np.resize(np.array(list("abcdefgh")), 480)
    for _ in range(60):
        right = random.random(480) < 0.7
        pair = Pair(classified(right), None, Design.of(480))
        rules = BiasRules(groups=("site",))
        (found,) = disparities([field(pair, {"site": sites})], {"d@2/holdout.npz": right}, rules, 0.95)
        failed += found.state is LineState.FAILED

    assert failed <= 5


SCORES = TensorSpec(name="p", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.SCORES, names=("no", "yes"))


def test_scores_that_are_probabilities_tell_briers_loss_and_others_do_not():
    contract = Contract(inputs=(), outputs=(SCORES,))
    scores = np.array([[0.8, 0.2], [0.4, 0.6]], np.float32)

    by_number = worth(contract, {"p": scores}, np.array([0, 0]))
    by_name = worth(contract, {"p": scores}, np.array(["no", "no"]))
    logits = worth(contract, {"p": scores * 5}, np.array([0, 0]))

    assert by_number["is_right"].tolist() == by_name["is_right"].tolist() == [True, False]
    assert by_name["brier"] == pytest.approx([0.08, 0.72], abs=1e-6)
    assert set(logits) == {"classes", "is_right"}


def test_a_truth_of_another_shape_is_refused():
    value = TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 1), kind=Kind.VALUE)
    with pytest.raises(InvalidInput):
        worth(Contract(inputs=(), outputs=(value,)), {"y": np.ones((3, 1))}, np.ones((3, 2)))
    assert (
        worth(Contract(inputs=(), outputs=(value,)), {"y": np.ones((3, 1))}, np.zeros(3))["errors"].tolist()
        == [[1.0]] * 3
    )
