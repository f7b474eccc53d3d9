"""The pure rules of automation: when a trigger fires, and when a challenger replaces the champion."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.api import EvaluationRecord, GateDraft, PipelineDraft, TriggerDraft, TriggerRecord
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.model import (
    MAX_LOSS,
    check_pipeline,
    check_trigger,
    expected_agreement,
    paired_interval,
    promote,
    should_fire,
)

NOW = 10_000.0


def trigger(runs=0, last_fired_at=None, **draft) -> TriggerRecord:
    wanted = TriggerDraft(model="digits", **{"cooldown_s": 100.0, "max_runs": 3, **draft})
    return TriggerRecord(model="digits", draft=wanted, created_by="ana", runs=runs, last_fired_at=last_fired_at)


@pytest.mark.parametrize(
    ("known", "active", "fires", "why"),
    [
        (trigger(), [], True, "run 1 of at most 3"),
        (trigger(runs=2, last_fired_at=NOW - 101), [], True, "run 3 of at most 3"),
        (trigger(runs=1, last_fired_at=NOW - 100), [], True, "run 2 of at most 3"),
        (trigger(runs=1, last_fired_at=NOW - 99), [], False, "cooling down: 1 s are left of 100 s"),
        (trigger(runs=3, last_fired_at=NOW - 101), [], False, "the budget of 3 runs is spent"),
        (trigger(runs=3, last_fired_at=NOW - 1), [], False, "the budget of 3 runs is spent"),
        (trigger(), ["repair-a1", "repair-a2"], False, "repair-a1 is still at work on digits"),
        (trigger(runs=3), ["repair-a1"], False, "repair-a1 is still at work on digits"),
        (trigger(runs=1, last_fired_at=NOW, cooldown_s=0.0), [], True, "run 2 of at most 3"),
    ],
)
def test_a_trigger_fires_unless_it_is_busy_spent_or_cooling_down(known, active, fires, why):
    verdict = should_fire(known, NOW, active)

    assert (verdict.yes, verdict.reason) == (fires, why)


def evaluation(before: float, after: float, *, low: float, agreement=0.8, holdout="d@2/holdout.npz"):
    return EvaluationRecord(
        model="digits",
        challenger=2,
        champion=1,
        holdout=holdout,
        rows=100,
        accuracy_champion=before,
        accuracy_challenger=after,
        agreement=agreement,
        low=low,
        high=after - before + 0.1,
        is_better=low > 0,
        created_at=1.0,
    )


OLD_SAME = evaluation(0.97, 0.97, low=-0.02, agreement=0.95)
OLD_A_LITTLE_WORSE = evaluation(0.97, 0.97 - MAX_LOSS + 0.001, low=-0.05)
OLD_MUCH_WORSE = evaluation(0.97, 0.90, low=-0.1)
NEW_BETTER = evaluation(0.50, 0.90, low=0.3, agreement=0.5, holdout="d@2/holdout_new.npz")
NEW_PERHAPS_BETTER = evaluation(0.50, 0.55, low=-0.01, holdout="d@2/holdout_new.npz")


@pytest.mark.parametrize(
    ("evaluations", "is_promoted", "told"),
    [
        ([NEW_BETTER], True, "better on d@2/holdout_new.npz: 0.900 against 0.500"),
        ([OLD_SAME, NEW_BETTER], True, "better on d@2/holdout_new.npz"),
        ([OLD_A_LITTLE_WORSE, NEW_BETTER], True, "better on d@2/holdout_new.npz"),
        ([OLD_MUCH_WORSE, NEW_BETTER], False, "worse on d@2/holdout.npz: 0.900 against 0.970"),
        ([OLD_SAME, NEW_PERHAPS_BETTER], False, "better on no hold-out"),
        ([OLD_SAME], False, "better on no hold-out"),
        ([], False, "better on no hold-out"),
    ],
)
def test_a_challenger_must_win_beyond_doubt_somewhere_and_lose_nowhere(evaluations, is_promoted, told):
    verdict = promote(evaluations)

    assert verdict.yes is is_promoted
    assert told in verdict.reason


@pytest.mark.parametrize(
    ("evaluations", "agreement"),
    [([OLD_SAME, NEW_BETTER], 0.5), ([OLD_SAME, NEW_PERHAPS_BETTER], None), ([], None)],
)
def test_only_a_promoted_challenger_is_expected_to_disagree(evaluations, agreement):
    assert expected_agreement(evaluations) == agreement


def test_the_interval_covers_the_true_difference_nineteen_times_in_twenty():
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        champion = random.random(300) < 0.70
        challenger = np.where(random.random(300) < 0.8, champion, random.random(300) < 0.90)  # true difference 0.04
        low, high = paired_interval(champion, challenger)
        covered += low <= 0.04 <= high

    assert 180 <= covered <= 199


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_the_interval_is_the_same_each_time_and_mirrors_when_the_two_change_places(seed, rows):
    random = np.random.default_rng(seed)
    one, two = random.random((2, rows)) < 0.6

    low, high = paired_interval(one, two)

    assert (low, high) == paired_interval(one, two)
    assert -1 <= low <= high <= 1
    assert paired_interval(two, one) == pytest.approx((-high, -low))


def test_equal_answers_leave_no_doubt():
    right = np.array([True, False, True, True])

    assert paired_interval(right, right) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"samples_per_device": 0}, "samples_per_device"),
        ({"min_labels": -1}, "min_labels"),
        ({"max_runs": 10**9}, "max_runs"),
        ({"cooldown_s": -1.0}, "cooldown_s"),
        ({"cooldown_s": float("nan")}, "cooldown_s"),
        ({"gate": GateDraft(max_failed=-1)}, "gate.max_failed"),
        ({"rollout_waves": (3, 1)}, "waves"),
    ],
)
def test_a_trigger_whose_repair_could_not_end_is_refused_by_its_field(changes, field):
    with pytest.raises(InvalidInput) as refusal:
        check_trigger(TriggerDraft(model="digits", **changes))

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"command": ""}, "command"),
        ({"command": "python 'train.py"}, "command"),
        ({"command": "python\0train.py"}, "command"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"timeout_s": float("inf")}, "timeout_s"),
        ({"params": {"text": "x" * 32_768}}, "params"),
    ],
)
def test_a_pipeline_that_cannot_be_started_is_refused_by_its_field(changes, field):
    fine = PipelineDraft(model="digits", dataset="digits", command="python train.py", code=())
    check_pipeline(fine)

    with pytest.raises(InvalidInput) as refusal:
        check_pipeline(msgspec.structs.replace(fine, **changes))

    assert refusal.value.field == field
