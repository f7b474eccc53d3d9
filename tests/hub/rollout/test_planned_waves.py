"""Waves and the order of devices: pure rules, by properties."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.api import WaveDraft
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


def test_devices_that_are_told_to_check_in_seldom_are_canaries_within_three_late_check_ins():
    seen_at = {"lane-1": 990.0, "lane-2": 800.0, "lane-3": 710.0, "lane-4": 700.0}
    polls = {"lane-1": 300.0, "lane-2": 300.0, "lane-3": 30.0, "lane-4": None}

    assert reachable(seen_at, 60.0, 1000.0, polls) == {"lane-1", "lane-2"}


COUNTS = st.sets(st.integers(1, 60), min_size=1, max_size=4).map(sorted)
PERCENTS = st.sets(st.integers(1, 100), max_size=3).map(sorted)


@given(st.integers(0, 80), COUNTS, PERCENTS, st.sets(st.integers(0, 79)))
def test_mixed_waves_hold_every_device_once_and_keep_their_order(total, counts, percents, chosen):
    devices = [f"d{number}" for number in range(total)]
    selected = {f"d{number}" for number in chosen}
    waves = [*(WaveDraft(count=count) for count in counts), WaveDraft(selector="site=berlin")]
    waves += [WaveDraft(percent=percent) for percent in percents]

    planned = plan_waves(devices, waves, {"site=berlin": selected})

    held = [device for wave in planned for device in wave.devices]
    assert sorted(held) == sorted(devices)
    assert all(list(wave.devices) == sorted(wave.devices, key=devices.index) for wave in planned)
    for wave in planned[:-1]:
        if wave.draft.selector:
            assert set(wave.devices) <= selected


@given(st.integers(1, 2000), st.floats(0.01, 99))
def test_a_percentage_is_a_total_rounded_up_and_never_nobody(total, percent):
    waves = plan_waves([str(number) for number in range(total)], (WaveDraft(percent=percent), WaveDraft(percent=100)))

    assert len(waves[0].devices) == min(total, max(1, math.ceil(percent / 100 * total - 1e-9)))
    assert sum(len(wave.devices) for wave in waves) == total


def test_a_count_after_a_selector_is_a_total_of_both():
    devices = [f"d{number}" for number in range(10)]
    waves = (WaveDraft(selector="site=berlin"), 5, 100)

    planned = plan_waves(devices, waves, {"site=berlin": {"d7", "d8"}})

    assert [wave.devices for wave in planned] == [
        ("d7", "d8"),
        ("d0", "d1", "d2"),
        ("d3", "d4", "d5", "d6", "d9"),
    ]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.data())
def test_the_first_devices_are_of_every_kind_of_hardware(hardware, data):
    kinds = {f"d{number}": (name, data.draw(st.sampled_from("xyz"))) for number, name in enumerate(hardware)}

    order = canary_order(kinds, kinds, kinds, "seed", kinds)

    assert {kinds[device][0] for device in order[: len(set(hardware))]} == set(hardware)
    assert sorted(order) == sorted(kinds)
    assert order == canary_order(sorted(kinds), kinds, kinds, "seed", kinds)


def test_within_a_kind_of_hardware_sites_take_turns():
    kinds = {f"{site}{number}": ("pi", site) for site in "ab" for number in range(3)}

    order = canary_order(kinds, kinds, kinds, "seed", kinds)

    assert {device[0] for device in order[:2]} == {device[0] for device in order[2:4]} == {"a", "b"}
