"""Fleets that the hub tells to check in seldom: their budgets and waves work, and who is gone is away in the end."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Budget, RolloutDraft, RolloutState
from edgewright.hub.rollout.gates import silence_s

ONE_LANE = (Budget(per="site", max_unavailable=1),)
INSTALL_S = 20.0
LOOKS = 40
"""At the wave, in the time between two check-ins."""


@pytest.fixture
def store(world):
    """Four lanes of one store, and the release digits/1 ready."""
    world.group()
    world.shelf.put("digits", 1)
    return world.enrol(4, site="berlin")


def start(world, operator, **draft) -> str:
    return world.rollouts.start(operator, RolloutDraft(release="digits/1", group="lanes", **draft)).id


def tell(world, lane: str, poll_s: float) -> None:
    """What the order says that the lane got last."""
    presence = world.fleet.presence
    presence.heartbeats.tell(presence.memory.row(lane), poll_s)


def play(world, rollout: str, lanes, poll_s: float, until_s: float) -> None:
    """Let lanes check in one after another, each every `poll_s`, and install what they are told; waves look on."""
    began = world.clock.now
    next_at = {lane: began + poll_s * (place + 1) / len(lanes) for place, lane in enumerate(lanes)}
    installs: dict[str, tuple[float, object]] = {}
    while world.clock.now < began + until_s:
        world.clock.now += poll_s / LOOKS
        for lane in lanes:
            if world.clock.now >= next_at[lane]:
                next_at[lane] += poll_s
                tell(world, lane, poll_s)
                ordered, _ = world.check_in(lane)
                if ordered and lane not in installs and lane not in world.states:
                    installs[lane] = (world.clock.now + INSTALL_S, ordered[0])
            if lane in installs and installs[lane][0] <= world.clock.now:
                _, install = installs.pop(lane)
                world.run(lane, install.model, install.counter)
                world.report(world.result(install), lane)
        record = world.rollouts.rollout(rollout)
        if record.state is not RolloutState.RUNNING:
            return
        world.tick(rollout, next(wave.number for wave in record.waves if wave.state in ("pending", "running")))


@pytest.mark.parametrize(("poll_s", "within_s"), [(30.0, 600.0), (300.0, 3600.0), (2400.0, 8 * 3600.0)])
def test_a_store_with_a_budget_is_served_however_seldom_its_lanes_are_told_to_check_in(
    world, store, operator, poll_s, within_s
):
    for lane in store:
        tell(world, lane, poll_s)
    id = start(world, operator, waves=(8,), budgets=ONE_LANE)

    play(world, id, store, poll_s, within_s)

    assert world.rollouts.rollout(id).state is RolloutState.DONE
    assert set(world.states) == set(store)


@pytest.mark.parametrize("poll_s", [300.0, 2400.0])
def test_a_wave_waits_for_lanes_that_are_told_to_check_in_seldom(world, store, operator, poll_s):
    for lane in store:
        tell(world, lane, poll_s)
    id = start(world, operator, waves=(2, 4))

    play(world, id, store, poll_s, 8 * 3600.0)

    reasons = [wave.reason for wave in world.rollouts.rollout(id).waves]
    assert reasons == ["2 of 2 committed, 0 away"] * 2


def test_a_lane_that_is_gone_is_away_after_three_late_polls(world, store, operator):
    id = start(world, operator, waves=(4,))
    *others, gone = store
    for lane in store:
        tell(world, lane, 300.0)
    gone_at = world.clock.now

    play(world, id, others, 300.0, 3 * 1.2 * 300.0 - 20.0)
    before = world.rollouts.rollout(id).state
    play(world, id, others, 300.0, 40.0)

    record = world.rollouts.rollout(id)
    assert (before, record.state) == (RolloutState.RUNNING, RolloutState.DONE)
    assert record.waves[0].reason == "3 of 4 committed, 1 away"
    assert world.clock.now - gone_at < 1200.0
    assert world.install(gone) is not None


def test_a_hub_that_did_not_tell_a_lane_itself_waits_for_it_as_long(world, store, operator):
    id = start(world, operator, waves=(4,))
    world.tick(id, 1)
    for lane in store:
        tell(world, lane, 300.0)
        world.check_in(lane)
    for lane in store[:2]:
        world.install(lane)
    world.fleet.flush()

    world.boot()
    world.clock.now += 900.0

    assert world.tick(id, 1) == "hold"
    world.clock.now += 200.0
    assert world.tick(id, 1) == "advance"


def test_the_first_wave_has_each_kind_of_hardware_however_seldom_devices_are_told_to_check_in(world, manifest_of):
    world.group()
    world.shelf.put("digits", 1, cpu=manifest_of("digits", 1, "cpu", hardware=("x86_64", "aarch64")))
    boards, lanes = world.enrol(3, arch="aarch64"), world.enrol(3)
    for device in (*boards, *lanes):
        tell(world, device, 300.0)
    world.clock.now += 200.0
    for lane in lanes:
        world.check_in(lane)
    world.clock.now += 10.0

    first = world.wave(world.start("digits/1", waves=(2, 6)).id, 1)

    assert (len(first), len({*first} & {*boards}), len({*first} & {*lanes})) == (2, 1, 1)


@pytest.mark.parametrize(
    ("patience_s", "poll_s", "silent_s"),
    [(60.0, None, 60.0), (60.0, 10.0, 60.0), (60.0, 30.0, 108.0), (3600.0, 300.0, 3600.0), (60.0, 240.0, 864.0)],
)
def test_a_device_may_be_silent_for_the_gates_patience_and_for_three_late_polls_at_least(patience_s, poll_s, silent_s):
    assert silence_s(patience_s, poll_s) == pytest.approx(silent_s)
