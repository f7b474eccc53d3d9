"""Waves and the order of devices: pure rules, by properties."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.errors import InvalidInput
from edgewright.hub.rollout.planning import canary_order, plan_waves, reachable

RISING = st.sets(st.integers(1, 60), min_size=1, max_size=6).map(sorted)


@given(st.lists(st.uuids().map(str), max_size=80, unique=True), RISING)
def test_waves_hold_every_device_once_and_reach_the_totals_they_were_given(devices, sizes):
    waves = [wave.devices for wave in plan_waves(devices, sizes)]

    assert list(itertools.chain(*waves)) == devices
    assert all(waves)
    assert len(waves) <= len(sizes)
    reached = list(itertools.accumulate(map(len, waves)))
    assert reached[:-1] == sizes[: len(reached)][:-1]


def test_three_eight_and_one_make_waves_of_one_two_and_five():
    waves = plan_waves([f"d{n}" for n in range(8)], (1, 3, 8))

    assert [len(wave.devices) for wave in waves] == [1, 2, 5]


@pytest.mark.parametrize("sizes", [(), (0,), (-1, 2), (3, 3), (3, 1), (1, 3, 2)])
def test_waves_that_do_not_rise_are_refused(sizes):
    with pytest.raises(InvalidInput) as caught:
        plan_waves(["d1"], sizes)

    assert caught.value.field.startswith("waves")


@given(st.sets(st.text(max_size=5), max_size=20), st.data())
def test_devices_that_can_answer_and_compare_are_asked_first(devices, data):
    reachable = data.draw(st.sets(st.sampled_from(sorted(devices)))) if devices else set()
    running = data.draw(st.sets(st.sampled_from(sorted(devices)))) if devices else set()

    order = canary_order(devices, reachable, running, "seed")

    ranks = [(device not in reachable, device not in running) for device in order]
    assert ranks == sorted(ranks)
    assert set(order) == devices
    assert order == canary_order(sorted(devices), reachable, running, "seed")


def test_a_device_that_has_just_fallen_silent_makes_no_canary():
    seen_at = {"lane-1": 100.0, "lane-2": 99.5, "lane-3": 98.0, "lane-4": 60.0, "lane-5": None}

    assert reachable(seen_at, patience_s=60.0, now=100.0) == {"lane-1", "lane-2", "lane-3"}


def test_in_a_fleet_that_polls_slowly_a_slow_device_is_a_canary():
    seen_at = {"lane-1": 100.0, "lane-2": 500.0, "lane-3": 900.0}

    assert reachable(seen_at, patience_s=3600.0, now=1000.0) == set(seen_at)


def test_patience_bounds_who_is_a_canary():
    assert reachable({"lane-1": 0.0}, patience_s=60.0, now=100.0) == set()
