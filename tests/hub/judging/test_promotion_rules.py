"""Which challengers replace the champion, by the rules that a project declares."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import (
    BiasRules,
    CostLine,
    Disparity,
    EvaluationRecord,
    EvaluationRules,
    Fairness,
    GroupGain,
    HoldoutEvaluation,
    JudgingRules,
    LineState,
    MetricGain,
    NotEnough,
    Outcome,
    PromotionRules,
    SuperiorOn,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.judging import check_rules, promote


def gain(before: float, after: float, reach: float = 0.02, metric: str = "accuracy") -> MetricGain:
    is_better = after - before if metric in ("accuracy", "r2") else before - after
    return MetricGain(
        metric=metric,
        champion=before,
        challenger=after,
        gain=is_better,
        low=is_better - reach,
        high=is_better + reach,
    )


def holdout(main: MetricGain, *more: MetricGain, is_fresh=False, groups=(), rows=200) -> HoldoutEvaluation:
    name = "holdout_new.npz" if is_fresh else "holdout.npz"
    return HoldoutEvaluation(
        holdout=f"d@2/{name}",
        sha256="ab",
        is_fresh=is_fresh,
        rows=rows,
        effective_rows=float(rows),
        confidence=0.975,
        method="paired",
        metrics=(main, *more),
        groups=tuple(groups),
    )


def group(name: str, value: MetricGain, rows: int = 100, high: float | None = None) -> GroupGain:
    return GroupGain(
        key="site", name=name, rows=rows, is_small=rows < 30, gain=value, challenger_low=0.0, challenger_high=high
    )


def evidence(*holdouts: HoldoutEvaluation, champion=1, rules: JudgingRules | None = None, **more) -> EvaluationRecord:
    return EvaluationRecord(
        model="digits",
        challenger=2,
        champion=champion,
        snapshot="d@2",
        digest="ab",
        rules=rules or JudgingRules(),
        holdouts=holdouts,
        **more,
    )


def verdict(record: EvaluationRecord, bias: BiasRules | None = None, **changes):
    return promote(record, JudgingRules(promotion=PromotionRules(**changes), bias=bias))


OLD_SAME = holdout(gain(0.97, 0.97))
OLD_A_LITTLE_WORSE = holdout(gain(0.97, 0.95))
OLD_MUCH_WORSE = holdout(gain(0.97, 0.90))
NEW_BETTER = holdout(gain(0.50, 0.90), is_fresh=True)
NEW_PERHAPS_BETTER = holdout(gain(0.50, 0.51), is_fresh=True)


@pytest.mark.parametrize(
    ("holdouts", "changes", "outcome", "told"),
    [
        ([NEW_BETTER], {}, Outcome.YES, "it is better: accuracy 0.900 against 0.500 on 200 rows"),
        ([OLD_SAME, NEW_BETTER], {}, Outcome.YES, "it is better"),
        ([OLD_A_LITTLE_WORSE, NEW_BETTER], {}, Outcome.YES, "it is better"),
        ([OLD_A_LITTLE_WORSE, NEW_BETTER], {"prove_no_loss": True}, Outcome.NO, "it is worse"),
        ([OLD_SAME, NEW_BETTER], {"prove_no_loss": True}, Outcome.YES, "it is better"),
        ([OLD_SAME, NEW_BETTER], {"prove_no_loss": True, "max_loss": 0.01}, Outcome.NO, "it may be worse"),
        ([OLD_MUCH_WORSE, NEW_BETTER], {}, Outcome.NO, "it is worse: accuracy 0.900 against 0.970"),
        ([OLD_MUCH_WORSE, NEW_BETTER], {"max_loss": 0.1}, Outcome.YES, "it is better"),
        ([OLD_SAME, NEW_PERHAPS_BETTER], {}, Outcome.NO, "better on no hold-out"),
        ([OLD_SAME, NEW_BETTER], {"margin": 0.5}, Outcome.NO, "better by more than 0.5 on no hold-out"),
        ([OLD_SAME, NEW_BETTER], {"superior_on": SuperiorOn.PINNED}, Outcome.NO, "better on no hold-out"),
        ([OLD_SAME], {"superior_on": SuperiorOn.FRESH}, Outcome.NO, "there is no fresh hold-out"),
        ([OLD_SAME], {"superior_on": SuperiorOn.NONE}, Outcome.YES, "it need not be better"),
        ([OLD_SAME], {"superior_on": SuperiorOn.NONE, "require": ("fresh",)}, Outcome.ASK, "0 fresh rows"),
    ],
)
def test_a_challenger_must_win_beyond_doubt_where_it_is_asked_and_lose_nowhere(holdouts, changes, outcome, told):
    found = verdict(evidence(*holdouts), **changes)

    assert found.outcome is outcome
    assert told in found.reason


def test_a_group_that_is_worse_beyond_doubt_keeps_the_champion_however_good_the_mean():
    groups = [group("berlin", gain(0.5, 0.95)), group("porto", gain(0.9, 0.7, reach=0.1))]

    found = verdict(evidence(holdout(gain(0.7, 0.9), groups=groups)))

    assert found.outcome is Outcome.NO
    assert "it is worse for site porto: accuracy 0.700 against 0.900 on 100 rows" in found.reason


def test_small_groups_are_told_and_not_judged():
    groups = [group("berlin", gain(0.5, 0.95)), group("porto", gain(0.9, 0.1), rows=9)]

    found = verdict(evidence(holdout(gain(0.7, 0.9), groups=groups)))

    assert found.outcome is Outcome.YES
    assert "too few rows: porto (9)" in next(line.reason for line in found.lines if line.rule == "groups").replace(
        "site ", ""
    )


@pytest.mark.parametrize(("high", "outcome"), [(0.75, Outcome.NO), (0.85, Outcome.ASK)])
def test_a_group_below_the_floor_fails_beyond_doubt_or_goes_to_people(high, outcome):
    groups = [group("berlin", gain(0.5, 0.95)), group("porto", gain(0.6, 0.7), high=high)]

    found = verdict(evidence(holdout(gain(0.6, 0.8), groups=groups)), group_floor=0.8)

    assert found.outcome is outcome
    assert "accuracy is 0.700 for site porto" in found.reason


def test_costs_wait_until_there_are_variants_and_then_decide():
    costs = (CostLine(target="cpu", latency_p95_ms=3.0, size_bytes=900, champion_latency_p95_ms=1.0),)
    limits = {"max_latency_p95_ms": 2.0, "max_latency_ratio": 2.0, "max_size_bytes": 1000}

    before = verdict(evidence(NEW_BETTER), **limits)
    after = verdict(evidence(NEW_BETTER, costs=costs), **limits)

    assert before.outcome is Outcome.YES
    assert {line.state for line in before.lines if line.rule in ("latency", "size")} == {LineState.WAITS}
    assert after.outcome is Outcome.NO
    assert "3.000 ms at the 95th percentile on cpu, 2 ms may be" in after.reason
    assert "3.00 times the champion's latency on cpu, 2 may be" in after.reason
    assert "bytes" not in after.reason


def test_worse_probabilities_stop_it_where_calibration_is_required():
    worse = holdout(gain(0.5, 0.9), gain(0.1, 0.3, metric="brier"), is_fresh=True)

    assert verdict(evidence(worse)).outcome is Outcome.YES
    found = verdict(evidence(worse), require=("calibration",))
    assert found.outcome is Outcome.NO
    assert "its probabilities: brier 0.300 against 0.100" in found.reason


def test_a_first_version_needs_no_champion_to_beat():
    alone = holdout(MetricGain(metric="accuracy", challenger=0.8))

    assert verdict(evidence(alone, champion=0)).outcome is Outcome.YES


def disparity(state: LineState) -> Disparity:
    return Disparity(holdout="h", key="site", measure=Fairness.ERROR_RATE, state=state, reason="porto and berlin")


@pytest.mark.parametrize(
    ("state", "not_enough", "outcome"),
    [
        (LineState.PASSED, NotEnough.ASK, Outcome.YES),
        (LineState.FAILED, NotEnough.LET, Outcome.NO),
        (LineState.UNSURE, NotEnough.ASK, Outcome.ASK),
        (LineState.UNSURE, NotEnough.LET, Outcome.YES),
        (LineState.UNSURE, NotEnough.FAIL, Outcome.NO),
    ],
)
def test_the_bias_gate_says_no_beyond_doubt_and_its_policy_decides_where_there_is_doubt(state, not_enough, outcome):
    rules = BiasRules(groups=("site",), not_enough=not_enough)
    found = verdict(evidence(NEW_BETTER, bias=(disparity(state),)), bias=rules)

    assert found.outcome is outcome
    assert (outcome is Outcome.YES) or "porto and berlin" in found.reason


def test_a_bias_gate_that_is_not_required_is_only_told():
    rules = BiasRules(groups=("site",))
    found = verdict(evidence(NEW_BETTER, bias=(disparity(LineState.FAILED),)), bias=rules, require=())

    assert found.outcome is Outcome.YES
    assert "not required: porto and berlin" in [line.reason for line in found.lines if line.rule == "bias"]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (JudgingRules(evaluation=EvaluationRules(min_rows=1)), "evaluation.min_rows"),
        (JudgingRules(evaluation=EvaluationRules(confidence=1.0)), "evaluation.confidence"),
        (JudgingRules(evaluation=EvaluationRules(cuts={"age": ()})), "evaluation.cuts"),
        (JudgingRules(promotion=PromotionRules(metric="f1")), "promotion.metric"),
        (JudgingRules(promotion=PromotionRules(max_loss=float("nan"))), "promotion.max_loss"),
        (JudgingRules(promotion=PromotionRules(require=("luck",))), "promotion.require"),
        (JudgingRules(bias=BiasRules(groups=("site",))), "bias.groups"),
    ],
)
def test_rules_that_cannot_judge_are_refused_by_their_key(rules, field):
    with pytest.raises(InvalidInput) as refusal:
        check_rules(rules)

    assert refusal.value.field == field


def test_rates_of_selection_need_a_positive_class():
    bias = BiasRules(groups=("site",), measures=(Fairness.SELECTION_RATE,))
    rules = JudgingRules(evaluation=EvaluationRules(groups=("site",)), bias=bias)

    with pytest.raises(InvalidInput, match="positive class"):
        check_rules(rules)
    check_rules(msgspec.structs.replace(rules, bias=msgspec.structs.replace(bias, positive=1)))
