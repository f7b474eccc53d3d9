"""What each rule of a gate says of the evidence: pure rules, by rows and by properties."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.api import GateDraft, GateRule, GateState, GateVerdict
from edgewright.contract.errors import InvalidInput
from edgewright.contract.gating import GATE_METRICS
from edgewright.hub.rollout.gates import (
    Evidence,
    Health,
    Installed,
    Labelled,
    Served,
    check_gate,
    decide,
    judge,
    rules_of,
)
from edgewright.hub.rollout.gates.metrics import FIND, trimmed_mean, wilson

NOW = 1000.0
FINE = Health(size=4, committed=4, failed=0, waiting=0, away=0)
INSTALLED = st.builds(
    Installed,
    device=st.sampled_from([f"d{n}" for n in range(30)]),
    golden_passed=st.none() | st.booleans(),
    agreement=st.none() | st.floats(0, 1),
    score_shift=st.none() | st.floats(0, 1),
    latency_share=st.none() | st.floats(0, 3),
    memory_share=st.none() | st.floats(0, 3),
    has_crashed=st.none() | st.booleans(),
)


def say(metric: str, evidence: Evidence, **rule) -> GateVerdict:
    """What one metric says of the evidence."""
    gate = GateDraft(rules=(GateRule(metric=metric, **rule),))
    return next(verdict for verdict in judge(gate, evidence, NOW) if verdict.metric == metric)


def wave_of(count: int, bad: int, **fault) -> Evidence:
    """A wave in which `bad` devices differ from the rest."""
    good = {"golden_passed": True, "agreement": 0.98, "score_shift": 0.05, "latency_share": 0.5, "memory_share": 0.5}
    devices = [Installed(device=f"d{n}", **(good | fault if n < bad else good)) for n in range(count)]
    return Evidence(committed_at=NOW, installed=tuple(devices))


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        ("crashes", {"has_crashed": True}),
        ("golden_parity", {"golden_passed": False}),
        ("latency", {"latency_share": 1.01}),
        ("memory", {"memory_share": 1.01}),
    ],
)
@pytest.mark.parametrize(
    ("count", "bad", "state"),
    [(1, 0, "passed"), (1, 1, "failed"), (8, 1, "failed"), (10, 1, "passed"), (20, 2, "passed"), (20, 3, "failed")],
)
def test_more_than_a_tenth_of_the_devices_fail_a_wave(metric, fault, count, bad, state):
    verdict = say(metric, wave_of(count, bad, **fault))

    assert verdict.state == state
    assert (verdict.numbers["bad"], verdict.numbers["devices"]) == (bad, count)


@pytest.mark.parametrize(("bad", "state"), [(1, "passed"), (2, "passed"), (3, "failed")])
@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        ("golden_parity", {"golden_passed": False}),
        ("latency", {"latency_share": 1.01}),
        ("memory", {"memory_share": 1.01}),
    ],
)
def test_trials_that_fail_first_are_no_finding_while_others_may_still_pass_theirs(metric, fault, bad, state):
    evidence = dataclasses.replace(wave_of(bad, bad, **fault), committed_at=None, awaited=20 - bad)

    assert say(metric, evidence).state == state


def test_a_device_that_never_committed_says_nothing_of_crashes():
    never = tuple(Installed(device=f"n{n}", has_crashed=None) for n in range(9))
    evidence = Evidence(committed_at=NOW, installed=(*wave_of(2, 1, has_crashed=True).installed, *never))

    assert say("crashes", evidence).numbers["devices"] == 2


@pytest.mark.parametrize(
    ("metric", "fault", "state"),
    [
        ("shadow_agreement", {"agreement": 0.0}, "passed"),
        ("score_shift", {"score_shift": 1.0}, "passed"),
        ("latency", {"latency_share": 99.0}, "passed"),
        ("crashes", {"has_crashed": True}, "passed"),
        ("golden_parity", {"golden_passed": False}, "passed"),
    ],
)
def test_one_liar_in_twenty_does_not_halt_a_wave(metric, fault, state):
    assert say(metric, wave_of(20, 1, **fault)).state == state


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        ("shadow_agreement", {"agreement": 0.1}),
        ("score_shift", {"score_shift": 0.9}),
        ("latency", {"latency_share": 2.0}),
        ("crashes", {"has_crashed": True}),
    ],
)
def test_one_liar_in_twenty_does_not_carry_a_bad_release_through(metric, fault):
    assert say(metric, wave_of(20, 19, **fault)).state == "failed"


@pytest.mark.parametrize("name", [name for name, metric in GATE_METRICS.items() if metric.is_default])
def test_what_is_on_for_everybody_passes_a_wave_that_nothing_is_known_of(name):
    assert say(name, Evidence(committed_at=NOW)).state == "passed"


@pytest.mark.parametrize("name", [name for name, metric in GATE_METRICS.items() if not metric.is_default])
def test_what_was_asked_for_is_waited_for_and_not_for_ever(name):
    rule = {"limit": GATE_METRICS[name].limit, "wait_s": 60.0}

    assert say(name, Evidence(), **rule).state == "held"
    assert say(name, Evidence(committed_at=NOW - 59.0), **rule).state == "held"
    assert say(name, Evidence(committed_at=NOW - 60.0), **rule).state == "passed"


def test_a_challenger_that_disagrees_on_purpose_is_held_to_its_own_bar():
    evidence = dataclasses.replace(wave_of(4, 4, agreement=0.45, score_shift=0.95), shadow_bar=0.41)

    assert say("shadow_agreement", evidence).state == "passed"
    assert say("score_shift", evidence).state == "passed"


@pytest.mark.parametrize(
    ("right", "rows", "state"), [(10, 10, "held"), (45, 50, "passed"), (20, 50, "failed"), (37, 50, "held")]
)
def test_labelled_accuracy_fails_beyond_chance_alone(right, rows, state):
    evidence = Evidence(labelled=(Labelled("d1", right, rows),))

    assert say("labelled_accuracy", evidence, limit=0.8).state == state


def by_site(**rates: float) -> Evidence:
    """Ten devices at each site, of whose ten labelled requests such a share is right."""
    return Evidence(
        labelled=tuple(
            Labelled(f"{site}-{n}", round(rate * 10), 10, (("site", site),))
            for site, rate in rates.items()
            for n in range(10)
        )
    )


@pytest.mark.parametrize(
    ("evidence", "state", "told"),
    [
        (by_site(berlin=0.9, porto=0.9), "passed", "differ by 0.000"),
        (by_site(berlin=0.9, porto=0.8, oslo=0.5), "failed", "site oslo and berlin differ by 0.400"),
        (by_site(berlin=0.9), "held", "no two groups have 50 labelled requests"),
        (Evidence(), "held", "no two groups"),
    ],
)
def test_groups_that_are_wronged_beyond_chance_fail_the_bias_rule(evidence, state, told):
    verdict = say("bias", evidence, wait_s=3600.0)

    assert verdict.state == state
    assert told in verdict.reason


def test_wilson_is_as_in_the_textbook():
    low, high = wilson(8, 10, z=1.96)

    assert (round(low, 3), round(high, 3)) == (0.49, 0.943)


@pytest.mark.parametrize(("drift", "state"), [(None, "held"), (0.0, "passed"), (0.3, "failed")])
def test_drift_counts_where_it_was_asked_for(drift, state):
    assert say("drift", Evidence(drift=drift), limit=0.2).state == state
    assert "drift" not in [verdict.metric for verdict in judge(GateDraft(), Evidence(drift=drift), NOW)]


def test_estimated_accuracy_counts_each_device_once():
    served = [Served(device=f"d{n}", rows=100, estimated_right=95.0) for n in range(19)]
    liar = Served(device="liar", rows=10**9, estimated_right=0.0)

    assert say("estimated_accuracy", Evidence(canaries=(*served, liar)), limit=0.9).state == "passed"


@given(st.lists(INSTALLED, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_reports_says_nothing_and_a_report_that_comes_twice_counts_once(devices, random):
    once = list({one.device: one for one in devices}.values())
    shuffled = [*once, *once]
    random.shuffle(shuffled)

    verdicts = judge(GateDraft(), Evidence(committed_at=NOW, installed=tuple(once)), NOW)

    again = judge(GateDraft(), Evidence(committed_at=NOW, installed=tuple(shuffled)), NOW)
    assert [(v.metric, v.state) for v in again] == [(v.metric, v.state) for v in verdicts]


@given(st.lists(INSTALLED, min_size=1, max_size=30, unique_by=lambda one: one.device), st.data())
@settings(max_examples=60)
def test_one_more_bad_device_never_turns_a_failure_into_a_pass(devices, data):
    place = data.draw(st.integers(0, len(devices) - 1))
    bad = {"golden_passed": False, "agreement": 0.0, "score_shift": 1.0, "latency_share": 9.0, "memory_share": 9.0}
    worse = [*devices]
    worse[place] = Installed(device=devices[place].device, has_crashed=True, **bad)

    before = failures(devices)

    assert before <= failures(worse)


def failures(devices: list[Installed]) -> set[str]:
    """The metrics that fail on devices that have measured everything."""
    whole = {"golden_passed": True, "agreement": 1.0, "score_shift": 0.0, "latency_share": 0.0, "memory_share": 0.0}
    whole["has_crashed"] = False
    filled = [Installed(**(vars(one) | {k: v for k, v in whole.items() if vars(one)[k] is None})) for one in devices]
    verdicts = judge(GateDraft(), Evidence(installed=tuple(filled)), NOW)
    return {verdict.metric for verdict in verdicts if verdict.state is GateState.FAILED}


@given(st.lists(st.floats(0, 1), min_size=20, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=2))
@settings(max_examples=60)
def test_a_trimmed_mean_lies_among_the_honest_values(honest, lies):
    mean = trimmed_mean([*honest, *lies])

    assert min(honest) - 1e-9 <= mean <= max(honest) + 1e-9


def test_a_rule_that_failed_rolls_back_and_one_that_holds_holds():
    held = GateVerdict(metric="labelled_accuracy", state=GateState.HELD, reason="3 requests are labelled")
    failed = GateVerdict(metric="crashes", state=GateState.FAILED, reason="3 of 4 devices had a crash of it")
    passed = GateVerdict(metric="latency", state=GateState.PASSED, reason="")

    assert decide(FINE, GateDraft(), (passed,)).action == "advance"
    assert decide(FINE, GateDraft(), (passed, held)).action == "hold"
    decision = decide(FINE, GateDraft(), (held, failed))
    assert (decision.action, decision.reason) == ("roll_back", "crashes: 3 of 4 devices had a crash of it")


def test_a_rule_that_failed_does_not_wait_for_devices_that_are_still_at_it():
    failed = GateVerdict(metric="crashes", state=GateState.FAILED, reason="")
    waiting = Health(size=9, committed=4, failed=0, waiting=5, away=0)

    assert decide(waiting, GateDraft(), (failed,)).action == "roll_back"


def test_rules_may_be_changed_joined_and_left_out():
    gate = GateDraft(rules=(GateRule(metric="latency", is_on=False), GateRule(metric="drift", limit=0.3)))

    names = [rule.metric for rule in rules_of(gate)]

    assert "latency" not in names
    assert "drift" in names
    assert "crashes" in names


def test_an_old_gate_has_the_rules_that_are_on_for_everybody():
    old = msgspec.convert({"max_failed": 0, "min_reported": 0.5}, GateDraft)

    assert [rule.metric for rule in rules_of(old)] == [
        name for name, metric in GATE_METRICS.items() if metric.is_default
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (GateRule(metric="f1"), "crashes, golden_parity"),
        (GateRule(metric="latency", limit=2.0), "0 to 1"),
        (GateRule(metric="canary_failures", limit=0.0), "0.0001 to 0.5"),
        (GateRule(metric="drift", limit=float("nan")), "0 to 1"),
        (GateRule(metric="drift", wait_s=-1.0), "seconds"),
        (GateRule(metric="drift", wait_s=float("inf")), "seconds"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_with_what_can(rule, said):
    with pytest.raises(InvalidInput) as caught:
        check_gate(GateDraft(rules=(rule,)))

    assert caught.value.field == "gate.rules"
    assert said in caught.value.hint


def test_every_metric_that_people_are_told_of_is_judged():
    assert list(FIND) == list(GATE_METRICS)


def test_verdicts_survive_being_stored():
    evidence = dataclasses.replace(wave_of(4, 1, has_crashed=True), drift=0.1)
    verdicts = judge(GateDraft(), evidence, NOW)

    kept = msgspec.json.decode(msgspec.json.encode(verdicts), type=tuple[GateVerdict, ...])

    assert kept == verdicts
    assert all(np.isfinite(number) for verdict in verdicts for number in verdict.numbers.values())
