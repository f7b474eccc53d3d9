"""Time without a clock chip: a clock at 1970, at 2099, jumping while the agent runs; what counts then, and what not."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from device import NOW, serving_counter
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.link import SignedTime, read_clock
from edgewright.agent.system.builds import built_at

DAY_S = 86_400.0
BUILT = NOW - 200 * DAY_S
IN_1970, IN_2099 = 100.0, datetime(2099, 1, 1, tzinfo=UTC).timestamp()


class Device:
    """An agent whose clock shows `shown`, and whose build was at BUILT; the hub's clock is right."""

    def __init__(self, folder, shown: float) -> None:
        self.hub = ScriptedHub(folder / "hub")
        self.shown, self.up_s = NOW, 0.0
        self.agent = Agent(folder / "agent", self.hub)
        self.root = self.agent.root
        self.show(shown)

    def show(self, shown: float) -> None:
        """A reboot with another clock."""
        self.shown = shown
        self.time = SignedTime(self.root, lambda: self.shown, lambda: self.up_s, BUILT)
        self.agent.delivery._exchange._time = self.time

    def pass_time(self, s: float) -> None:
        self.shown += s
        self.up_s += s
        self.hub.now += s

    def close(self) -> None:
        self.hub.close()


@pytest.fixture
def device(tmp_path):
    device = Device(tmp_path, NOW)
    yield device
    device.close()


def test_no_device_believes_a_time_before_its_build(device):
    device.show(IN_1970)
    device.up_s += 60.0

    assert device.time.now() == BUILT + 60.0
    assert not device.time.has_clock()


@pytest.mark.parametrize("shown", [IN_1970, IN_2099, 0.0, 2.0**40])
def test_a_clock_that_cannot_be_right_is_left_out_and_the_hub_s_signed_time_is_learned(device, shown):
    device.show(shown)
    device.hub.release(1)

    device.agent.work()

    assert serving_counter(device.root) == 1
    assert device.time.now() == NOW


@pytest.mark.parametrize("ahead_s", [-100 * DAY_S, 100 * DAY_S])
def test_a_clock_that_may_be_right_and_is_not_is_told_and_the_device_serves_on(device, ahead_s):
    device.hub.release(1)
    device.agent.work()
    (device.root / "time.json").unlink()
    (device.root / "time.json.bak").unlink()
    device.hub.release(2)
    device.show(NOW + ahead_s)

    device.agent.work(200.0)

    assert serving_counter(device.root) == 1
    assert device.time.now() == NOW + ahead_s  # nothing was learned
    assert read_clock(device.root).ahead_s == ahead_s


@pytest.mark.parametrize("ahead_s", [-100 * DAY_S, 100 * DAY_S])
def test_a_device_recovers_by_itself_once_its_clock_is_right(device, ahead_s):
    device.show(NOW + ahead_s)
    device.hub.release(1)
    device.agent.work(200.0)

    device.shown = NOW
    device.agent.work(700.0)

    assert serving_counter(device.root) == 1
    assert abs(read_clock(device.root).ahead_s) < 60.0


def test_a_clock_that_jumps_forth_and_back_while_running_leaves_nothing_behind(device):
    device.hub.release(1)
    device.agent.work()
    for jump_s in (10 * 365 * DAY_S, -9 * 365 * DAY_S, 50 * 365 * DAY_S, -60 * 365 * DAY_S):
        device.shown += jump_s
        device.pass_time(60.0)
        device.agent.work(100.0)
    device.shown = device.hub.now
    device.hub.release(2)

    device.agent.work(700.0)

    assert serving_counter(device.root) == 2
    assert device.time.now() == device.hub.now


def test_a_slow_clock_is_no_broken_one(device):
    device.agent.work()
    device.show(NOW - 3600.0)  # behind what was signed, by an hour

    assert device.time.has_clock()
    assert device.time.skew_s(300.0) == 300.0
    assert device.time.now() == NOW


def test_a_slow_clock_makes_no_device_ask_for_a_signature_at_every_check_in_nor_write_at_each(device):
    device.show(NOW - 200.0)
    device.hub.release(1)
    device.agent.work(40.0)
    device.pass_time(30.0)
    written_at = (device.root / "time.json").stat().st_mtime_ns

    device.agent.work(40.0)

    assert device.hub.check_ins[-1].etag
    assert device.hub.check_ins[-1].order_age_s == 0.0
    assert (device.root / "time.json").stat().st_mtime_ns == written_at


def test_a_thief_of_the_director_s_key_moves_no_clock_that_can_be_right(device):
    device.agent.work()
    device.show(NOW + 60.0)
    device.hub.forged = {"issued_at": NOW + 20 * DAY_S}

    device.agent.work(200.0)

    assert device.time.now() == NOW + 60.0


def test_old_metadata_does_not_pass_as_fresh_on_a_device_whose_clock_has_just_been_lost(device):
    device.agent.work()
    (device.root / "time.json").unlink()
    (device.root / "time.json.bak").unlink()
    device.show(IN_1970)
    kept = device.agent.delivery._exchange._trusted
    device.hub.now += 30 * DAY_S  # and its timestamp was never renewed

    device.agent.work(100.0)

    assert device.agent.delivery._exchange._trusted is kept


def test_a_checkout_has_no_build_time_and_a_damaged_one_is_none(tmp_path):
    path = tmp_path / "built_at.txt"
    missing = built_at(path)
    path.write_text("soon")
    damaged = built_at(path)
    path.write_text("1790000000\n")

    assert (missing, damaged, built_at(path)) == (0.0, 0.0, 1_790_000_000.0)


@pytest.mark.parametrize(
    ("shown", "allowed_s", "is_known"), [(NOW, 300.0, True), (IN_1970, 300.0, False), (NOW, None, False)]
)
def test_what_has_an_end_may_have_ended_on_a_device_without_a_clock_until_the_hub_has_signed(
    device, shown, allowed_s, is_known
):
    device.show(shown)

    before = device.time.latest(allowed_s)
    device.time.learn(NOW)

    assert math.isfinite(before) is is_known
    assert math.isfinite(device.time.latest(allowed_s))
