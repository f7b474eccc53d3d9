"""Canary against control: what is halted falsely, what is halted soon, and what liars can do. Fleets from seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewright.contract.api import GateDraft, GateRule, GateVerdict
from edgewright.hub.rollout.gates import Evidence, Served, judge
from edgewright.hub.rollout.gates.comparison import Arm, Method, compare, surplus

RHO = 0.02
ALPHA = 0.05


class Fleet:
    """Devices that fail at rates of their own, overdispersed; canaries come first."""

    def __init__(
        self, seed: int, canaries: int = 50, controls: int = 500, rate: float = 0.02, lift: float = 1.0, day: int = 24
    ):
        self.random = np.random.default_rng([seed, round(100 * lift)])
        self.size, self.count = canaries, canaries + controls
        rates = self.random.beta(rate * (1 / RHO - 1), (1 - rate) * (1 / RHO - 1), self.count)
        self.rows_before = np.full(self.count, 60.0 * day)
        self.failed_before = self.random.binomial(60 * day, rates).astype(float)
        self.rows, self.failed = np.zeros(self.count), np.zeros(self.count)
        self.rates = rates * np.where(np.arange(self.count) < canaries, lift, 1.0)

    def go_on(self, requests: int) -> Fleet:
        """Let every device answer so many requests."""
        self.rows = self.rows + requests
        self.failed = self.failed + self.random.binomial(requests, np.minimum(self.rates, 0.99))
        return self

    def arms(self) -> tuple[Arm, Arm]:
        whole = Arm(self.rows, self.failed, self.rows_before, self.failed_before)
        is_canary = np.arange(self.count) < self.size
        return whole[is_canary], whole[~is_canary]

    def served(self) -> tuple[tuple[Served, ...], tuple[Served, ...]]:
        columns = zip(self.rows, self.failed, self.rows_before, self.failed_before, strict=True)
        all_ = [
            Served(device=f"d{n:04}", rows=int(r), failed=int(f), rows_before=int(rb), failed_before=int(fb))
            for n, (r, f, rb, fb) in enumerate(columns)
        ]
        return tuple(all_[: self.size]), tuple(all_[self.size :])


def halted_h(fleet: Fleet, hours: float, every_h: float) -> float:
    """After how many hours a rollout that is looked at so often is halted; infinite where it is not."""
    look = 0
    for number in range(1, round(hours / every_h) + 1):
        found = compare(*fleet.go_on(round(60 * every_h)).arms(), look)
        look = found.look
        if found.is_alarm(ALPHA):
            return number * every_h
    return math.inf


def share_halted(seeds: int, hours: float, every_h: float, **fleet) -> float:
    return float(np.mean([math.isfinite(halted_h(Fleet(seed, **fleet), hours, every_h)) for seed in range(seeds)]))


def test_rollouts_that_change_nothing_are_hardly_ever_halted():
    assert share_halted(12, 72, 1) <= ALPHA


def test_twice_the_failures_are_seen_within_four_hours():
    assert share_halted(12, 4, 0.5, lift=2.0) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("canaries", "controls", "rate", "day"),
    [(5, 50, 0.02, 24), (20, 200, 0.02, 24), (50, 500, 0.02, 24), (50, 500, 0.02, 0), (200, 800, 0.005, 24)],
)
def test_at_most_one_in_twenty_rollouts_that_change_nothing_is_halted(canaries, controls, rate, day):
    assert share_halted(1000, 72, 1, canaries=canaries, controls=controls, rate=rate, day=day) <= ALPHA


@pytest.mark.slow
def test_looking_every_minute_halts_no_more_of_them():
    assert share_halted(200, 8, 1 / 60) <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("canaries", [50, 200])
def test_twice_the_failures_are_halted_within_four_hours_in_95_of_100(canaries):
    assert share_halted(1000, 4, 0.25, lift=2.0, canaries=canaries) >= 0.95


@pytest.mark.parametrize("requests", [15, 240, 3000])
def test_one_liar_in_twenty_makes_no_alarm(requests):
    for seed in range(4):
        fleet = Fleet(seed, canaries=100, controls=400).go_on(requests)
        fleet.failed[: fleet.size // 20] = fleet.rows[: fleet.size // 20]
        fleet.failed[fleet.size :: 20] = 0

        assert not compare(*fleet.arms()).is_alarm(ALPHA)


def test_one_liar_in_twenty_hides_nothing():
    for seed in range(4):
        fleet = Fleet(seed, canaries=100, controls=400, lift=2.0).go_on(240)
        fleet.failed[: fleet.size // 20] = 0
        fleet.failed[fleet.size :: 20] = fleet.rows[fleet.size :: 20]

        assert compare(*fleet.arms()).is_alarm(ALPHA)


def test_a_device_that_claims_a_billion_requests_weighs_no_more_than_others():
    fleet = Fleet(1).go_on(240)
    fleet.rows[0] = fleet.failed[0] = 1e9

    assert not compare(*fleet.arms()).is_alarm(ALPHA)


@pytest.mark.parametrize("canaries", [1, 2])
def test_one_or_two_devices_never_speak_for_a_release(canaries):
    fleet = Fleet(1, canaries=canaries, lift=40.0).go_on(600)

    found = compare(*fleet.arms())

    assert found.method is Method.NONE
    assert math.isinf(found.visible_rise)


def test_few_devices_are_compared_exactly_and_what_would_show_is_said():
    found = compare(*Fleet(2, canaries=5, controls=20).go_on(60).arms())

    assert found.method is Method.EXACT
    assert found.visible_rise > 1.0


def test_the_exact_test_looks_again_only_when_more_is_known():
    fleet = Fleet(3, canaries=5, controls=50, lift=3.0).go_on(240)
    first = compare(*fleet.arms())

    again = compare(*fleet.arms(), first.look)

    assert (again.p, again.look) == (1.0, first.look)


def test_the_exact_test_sees_five_devices_that_fail_three_times_as_often():
    halts = [halted_h(Fleet(seed, canaries=5, controls=50, rate=0.1, lift=3.0), 4, 0.5) for seed in range(6)]

    assert np.isfinite(halts).mean() > 0.8


def test_a_devices_own_past_takes_out_what_differs_between_devices():
    known, unknown = Fleet(4).go_on(240), Fleet(4, day=0).go_on(240)

    assert compare(*known.arms()).visible_rise < 0.5 * compare(*unknown.arms()).visible_rise


def test_failures_that_rise_everywhere_are_nobodys_fault():
    for seed in range(5):
        fleet = Fleet(seed)
        fleet.rates = fleet.rates * 3

        assert not compare(*fleet.go_on(240).arms()).is_alarm(ALPHA)


@pytest.mark.parametrize("canaries", [4, 20, 100])
def test_failing_still_more_often_never_takes_an_alarm_back(canaries):
    for seed in range(3):
        lifts = (1.0, 1.5, 2.0, 3.0, 6.0, 12.0, 50.0)
        fleets = [Fleet(seed, canaries=canaries, controls=200) for _ in lifts]
        for fleet, lift in zip(fleets, lifts, strict=True):
            fleet.rates[: fleet.size] *= lift

        alarms = [compare(*fleet.go_on(240).arms()).is_alarm(ALPHA) for fleet in fleets]

        assert alarms == sorted(alarms)


def test_where_nothing_fails_nothing_is_said():
    fleet = Fleet(5, rate=1e-9).go_on(60)

    assert surplus(*fleet.arms()) is None
    assert compare(*fleet.arms()).method is Method.NONE


def test_the_rule_remembers_its_look_and_tells_its_numbers():
    canaries, controls = Fleet(3, canaries=5, controls=50, lift=6.0).go_on(240).served()
    first = verdict_of(Evidence(canaries=canaries, controls=controls))

    again = verdict_of(Evidence(canaries=canaries, controls=controls, before=(first,)))

    assert first.state == "failed"
    assert first.numbers["canaries"] == 5
    assert first.numbers["p"] <= ALPHA
    assert again.numbers["look"] == first.numbers["look"]
    assert again.state != "failed"  # nothing new is known since: a rollout that went on after all is not halted for it


def test_the_rule_takes_devices_in_any_order_and_each_once():
    canaries, controls = Fleet(3, canaries=20, lift=2.0).go_on(240).served()

    straight = verdict_of(Evidence(canaries=canaries, controls=controls))

    assert verdict_of(Evidence(canaries=canaries[::-1] * 2, controls=controls[::-1])) == straight


def test_low_power_is_said_and_waited_for_where_that_was_asked():
    canaries, controls = Fleet(1, canaries=4, controls=8).go_on(60).served()
    evidence = Evidence(canaries=canaries, controls=controls, committed_at=1000.0)

    assert verdict_of(evidence).state == "passed"
    assert "power is low" in verdict_of(evidence).reason
    assert verdict_of(evidence, wait_s=3600.0).state == "held"


def verdict_of(evidence: Evidence, **rule) -> GateVerdict:
    gate = GateDraft(rules=(GateRule(metric="canary_failures", **rule),))
    return next(one for one in judge(gate, evidence, 1000.0) if one.metric == "canary_failures")
