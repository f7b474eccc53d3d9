"""Waves, gates and the shadow's policy: pure rules, by rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.api import GateDraft, ReleaseRecord, ReleaseState, RolloutState
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Outcome
from edgewright.hub.packaging import ReleaseIsBad
from edgewright.hub.rollout import ReleaseNotReady, RolloutMovedOn, decide, shadow_policy
from edgewright.hub.rollout.gates import Decision, DeviceFacts, Health, WaveFacts, check_gate, health
from edgewright.hub.rollout.model import (
    MAX_HOLD_S,
    DeploymentState,
    after_report,
    check_ready,
    hold_s,
    next_state,
    parse_release,
)

NOW = 1000.0


def wave(text: str, **facts) -> WaveFacts:
    """One letter for each device: Committed, Failed, rolled Back, Refused, Waiting, Away, withdraWn as x, Held."""
    states = {
        "C": DeploymentState.COMMITTED,
        "F": DeploymentState.FAILED,
        "B": DeploymentState.ROLLED_BACK,
        "R": DeploymentState.REFUSED,
        "W": DeploymentState.OFFERED,
        "P": DeploymentState.PENDING,
        "A": DeploymentState.OFFERED,
        "N": DeploymentState.PENDING,
        "x": DeploymentState.WITHDRAWN,
        "H": DeploymentState.HELD,
    }
    seen = {"A": NOW - 61.0, "N": None}
    return WaveFacts(tuple(DeviceFacts(states[letter], seen.get(letter, NOW - 59.0)) for letter in text), **facts)


@pytest.mark.parametrize(
    ("devices", "gate", "action"),
    [
        ("C", {}, "advance"),
        ("W", {}, "hold"),
        ("P", {}, "hold"),
        ("CCCCC", {}, "advance"),
        ("CCCCW", {}, "hold"),
        ("CCCCB", {}, "roll_back"),
        ("WWWWF", {}, "roll_back"),
        ("WWWWR", {}, "roll_back"),
        ("CCCCB", {"max_failed": 1}, "advance"),
        ("CCCBB", {"max_failed": 1}, "roll_back"),
        ("CCCBW", {"max_failed": 1}, "hold"),
        ("CCCCA", {}, "advance"),
        ("CCCCN", {}, "advance"),
        ("CCAAA", {}, "hold"),
        ("CCCAA", {}, "advance"),
        ("CCAAA", {"min_reported": 0.4}, "advance"),
        ("CCCCA", {"min_reported": 1.0}, "hold"),
        ("A", {}, "hold"),
        ("A", {"min_reported": 0.01}, "hold"),
        ("CAAAAAAAAA", {"min_reported": 0.1}, "advance"),
        ("F", {"max_failed": 1}, "roll_back"),
        ("CFF", {"max_failed": 2}, "roll_back"),
        ("CFFA", {"max_failed": 2}, "hold"),
        ("CHHHx", {}, "advance"),
        ("WHHHx", {}, "hold"),
        ("RHHHx", {"max_failed": 1}, "roll_back"),
        ("CCFHx", {"max_failed": 1, "min_reported": 0.9}, "roll_back"),
        ("HHx", {}, "hold"),
    ],
)
def test_a_gate_decides_by_counts(devices, gate, action):
    decision = asked(wave(devices), GateDraft(**gate))

    assert decision.action == action
    assert decision.reason


def asked(seen: WaveFacts, gate: GateDraft = GateDraft()) -> Decision:
    return decide(health(seen, gate, NOW), gate)


def test_a_wave_that_nobody_is_left_in_passes_only_where_others_have_proven_the_release():
    nobody = Health(size=0, committed=0, failed=0, waiting=0, away=0)

    alone, later = decide(nobody, GateDraft()), decide(replace(nobody, committed_before=1), GateDraft())

    assert (alone.action, later.action) == ("hold", "advance")
    assert "rollout promote" in alone.reason


def test_failures_of_earlier_waves_that_came_late_count():
    assert asked(wave("CCC", late_failures=1)).action == "roll_back"


@given(st.text("CFBRWPAxH", min_size=1, max_size=12), st.integers(0, 3), st.data())
def test_a_device_that_fails_never_turns_a_roll_back_into_anything_else(devices, max_failed, data):
    gate = GateDraft(max_failed=max_failed)
    place = data.draw(st.integers(0, len(devices) - 1))
    worse = devices[:place] + "F" + devices[place + 1 :]

    if asked(wave(devices), gate).action == "roll_back" and devices[place] not in "xH":
        assert asked(wave(worse), gate).action == "roll_back"


def test_nobody_is_away_while_the_hub_itself_was():
    assert asked(wave("CCCAA", listening_since=NOW - 10.0)).action == "hold"
    assert asked(wave("CCCNN", listening_since=NOW - 70.0)).action == "advance"


def test_a_wave_looks_less_often_while_nothing_happens():
    waits = [hold_s(tick) for tick in range(200)]

    assert waits[0] == 2.0
    assert waits == sorted(waits)
    assert waits[-1] == MAX_HOLD_S


@pytest.mark.parametrize(
    ("expected", "bar"), [(None, 0.9), (0.99, 0.848), (1.0, 0.9), (0.6, 0.292), (0.1, 0.0), (2.0, 0.9)]
)
def test_a_better_challenger_may_disagree_as_far_as_labelled_data_say(expected, bar):
    shadow = shadow_policy(GateDraft(), expected)

    assert shadow.min_agreement == pytest.approx(bar, abs=0.001)
    assert (shadow.min_requests, shadow.max_wait_s) == (50, 120.0)


@pytest.mark.parametrize("agreement", [0.45, 0.6, 0.75, 0.9, 0.97])
def test_chance_alone_seldom_stops_a_challenger_that_agrees_as_often_as_the_holdout_said(agreement):
    random = np.random.default_rng(0)
    expected = random.binomial(66, agreement, 2000) / 66
    seen = random.binomial(50, agreement, (2000, 8)).min(axis=1) / 50

    stopped = [low < shadow_policy(GateDraft(), one).min_agreement for low, one in zip(seen, expected, strict=True)]

    assert np.mean(stopped) < 0.03


def test_a_gate_without_shadow_requests_has_no_shadow():
    assert shadow_policy(GateDraft(shadow_requests=0), 0.5) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_failed", -1),
        ("min_reported", 0.0),
        ("min_reported", 1.1),
        ("min_reported", float("nan")),
        ("patience_s", 0.0),
        ("patience_s", float("inf")),
        ("patience_s", 1e300),
        ("shadow_requests", -1),
        ("shadow_requests", 1_000_001),
        ("shadow_agreement", 1.1),
        ("shadow_wait_s", -1.0),
        ("shadow_wait_s", 32 * 86400.0),
    ],
)
def test_gates_that_nothing_can_pass_are_refused_by_field(name, value):
    with pytest.raises(InvalidInput) as caught:
        check_gate(GateDraft(**{name: value}))

    assert caught.value.field == f"gate.{name}"


def test_a_rollout_that_is_done_can_still_be_taken_back():
    assert next_state(RolloutState.DONE, RolloutState.ABORTED) is RolloutState.ABORTED


@pytest.mark.parametrize("state", [RolloutState.HALTED, RolloutState.ABORTED])
def test_an_ended_rollout_moves_no_more(state):
    for wanted in RolloutState:
        with pytest.raises(RolloutMovedOn, match="cannot become"):
            next_state(state, wanted)


@pytest.mark.parametrize(
    ("state", "outcome", "then"),
    [
        ("offered", Outcome.COMMITTED, "committed"),
        ("offered", Outcome.ROLLED_BACK, "rolled_back"),
        ("pending", Outcome.REFUSED, "refused"),
        ("committed", Outcome.ROLLED_BACK, "rolled_back"),
        ("committed", Outcome.FAILED, "committed"),
        ("rolled_back", Outcome.COMMITTED, "rolled_back"),
        ("withdrawn", Outcome.COMMITTED, "withdrawn"),
        ("held", Outcome.COMMITTED, "committed"),
        ("withdrawn", Outcome.ROLLED_BACK, "withdrawn"),
    ],
)
def test_a_report_moves_a_deployment_only_where_it_can_go(state, outcome, then):
    assert after_report(DeploymentState(state), outcome) == then


@pytest.mark.parametrize("text", ["digits", "digits/", "/2", "digits/two", "digits/²"])
def test_what_names_no_release_is_refused(text):
    with pytest.raises(InvalidInput) as caught:
        parse_release(text)

    assert caught.value.field == "release"


def test_a_release_says_what_it_lacks():
    release = ReleaseRecord(
        id="digits/2",
        model="digits",
        version=2,
        counter=2,
        digest="",
        state=ReleaseState.DRAFT,
        packages=(),
        author="anna",
        approvals=(),
        approvals_needed=1,
        signatures=("key",),
        signatures_needed=2,
        note="",
        created_at=0.0,
    )

    with pytest.raises(ReleaseNotReady, match=r"1 signature\(s\) and 1 approval\(s\)"):
        check_ready(release)


def test_a_bad_release_is_refused_with_its_reason(world):
    world.shelf.put("digits", 1)
    world.shelf.mark_bad(None, "digits", 1, "the shadow disagreed")

    with pytest.raises(ReleaseIsBad, match="the shadow disagreed"):
        check_ready(world.shelf.release("digits", 1))
