"""What an order's terms keep a candidate from: its lease, its windows, an hour in which the device is busy."""

from __future__ import annotations

import contextlib
import math

import msgspec
import pytest
from device import GOOD, NOW, Device, Releases, Shelf, Verdicts, reports, serving_counter
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agent.disk import Settings
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.link import Later, Leave
from edgewright.agent.machine import LeaseOver, Traffic
from edgewright.agent.machine.terms import why_put_off
from edgewright.agent.states import Step
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import Conditions, Outcome

CALM = Conditions(is_on_battery=False, battery_percent=10)
LOW = Conditions(is_on_battery=True, battery_percent=10)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


class Leased(Device):
    """A device on which release 1 serves; `at` is what it believes the time to be."""

    def __init__(self, root, before: Leased | None = None, *, installed: int = 1, **facts) -> None:
        """As it boots, with time and hub as they were `before`."""
        self.at = before.at if before else NOW
        self.shelf = before.shelf if before else Shelf()
        self.releases = Releases(self.shelf)
        super().__init__(root, self.shelf, clock=lambda: self.at, look=lambda: self.seen, **facts)
        self.seen = CALM
        for counter in range(1, 1 if before else installed + 1):
            self.take(self.releases.install(counter))

    def begin(self, **terms) -> Install:
        offer = self.releases.install(2, **terms)
        self.machine.offer(*offer)
        return offer[0]

    def held_by(self) -> Later:
        """What holds the install, which is driven until then."""
        for _ in range(100):
            try:
                self.machine.step()
            except Later as held:
                return held
        raise AssertionError(f"nothing holds it in {self.record.step}")

    def until(self, step: Step) -> None:
        while self.record.step is not step:
            self.machine.step()


class Remembered(Verdicts):
    """Keeps the worker that was started last."""

    def start(self, *candidate):
        self.latest = super().start(*candidate)
        return self.latest


def test_a_package_is_fetched_without_a_lease_and_the_spare_slot_is_kept(tmp_path):
    device = Leased(tmp_path, installed=2)
    offer = device.releases.install(3, lease_until=NOW - 1.0)
    device.machine.offer(*offer)

    held = device.held_by()

    assert isinstance(held, LeaseOver)
    assert device.record.step is Step.FETCH
    assert device.record.slots["a"].counter == 1
    assert "its lease is over" in device.machine.wait
    device.machine.go_back("somebody at the device said so")
    device.settle()
    assert serving_counter(tmp_path) == 1


def test_a_renewed_lease_lets_the_install_go_on(tmp_path):
    device = Leased(tmp_path)
    install = device.begin(lease_until=NOW - 1.0)
    device.held_by()

    device.machine.heed(msgspec.structs.replace(install, lease_until=NOW + 60.0))
    device.settle()

    assert serving_counter(tmp_path) == 2


def test_a_device_that_was_off_knows_its_lease(tmp_path):
    before = Leased(tmp_path)
    before.begin(lease_until=NOW + 60.0)
    before.at = NOW + 61.0

    device = Leased(tmp_path, before)

    assert isinstance(device.held_by(), LeaseOver)
    assert serving_counter(tmp_path) == 1


def test_a_device_that_cannot_know_the_time_has_no_lease(tmp_path):
    device = Leased(tmp_path, latest=lambda: math.inf)
    device.begin(lease_until=NOW + 60.0)

    assert isinstance(device.held_by(), LeaseOver)
    assert serving_counter(tmp_path) == 1


def test_no_try_begins_after_the_lease(tmp_path):
    device = Leased(tmp_path)
    device.begin(lease_until=NOW + 60.0)
    device.until(Step.TRIAL)
    device.at, before = NOW + 61.0, device.trials.started

    device.held_by()

    assert (device.record.step, device.trials.started) == (Step.TRIAL, before)
    assert device.record.candidate.tries_left == 3


def test_no_shadow_phase_begins_after_the_lease_and_the_trial_costs_no_try(tmp_path):
    device = Leased(tmp_path)
    install = device.begin(lease_until=NOW + 60.0)
    device.until(Step.SHADOW)
    device.at, before = NOW + 61.0, device.trials.started

    device.held_by()

    assert (device.record.step, device.record.candidate.tries_left) == (Step.TRIAL, 3)
    device.machine.heed(msgspec.structs.replace(install, lease_until=NOW + 90.0))
    device.settle()
    assert (serving_counter(tmp_path), device.trials.started) == (2, before + 1)


def test_a_shadow_phase_under_way_ends_after_the_lease_and_takes_over_with_the_next(tmp_path):
    device = Leased(tmp_path)
    install = device.begin(lease_until=NOW + 60.0)
    while not device.machine._trying.is_shadow_ready:
        device.machine.step()
    device.at = NOW + 61.0

    held = device.held_by()

    assert isinstance(held, LeaseOver)
    assert (device.record.step, serving_counter(tmp_path)) == (Step.COMMIT, 1)
    device.machine.heed(msgspec.structs.replace(install, lease_until=NOW + 90.0))
    device.settle()
    assert serving_counter(tmp_path) == 2


def test_a_lease_that_ends_while_the_slot_is_read_is_over(tmp_path, monkeypatch):
    device = Leased(tmp_path)
    device.begin(lease_until=NOW + 60.0)
    device.until(Step.COMMIT)
    verifies = device.machine.folder.verifies

    def slowly(*facts):
        device.at = NOW + 61.0
        return verifies(*facts)

    monkeypatch.setattr(device.machine.folder, "verifies", slowly)

    assert isinstance(device.held_by(), LeaseOver)
    assert serving_counter(tmp_path) == 1


@pytest.mark.parametrize("step", [Step.FETCH, Step.TRIAL, Step.COMMIT])
def test_a_roll_back_and_another_deployment_need_no_lease(tmp_path, step):
    for number, give_way in enumerate(("roll back", "another")):
        device = Leased(tmp_path / give_way)
        install = device.begin(lease_until=NOW + 60.0)
        device.until(step)
        device.at = NOW + 61.0
        device.held_by()

        if number == 0:
            device.machine.give_up(Rollback(deployment="d2", model="digits", counter=2, reason="stop"))
        else:
            device.machine.heed(msgspec.structs.replace(install, deployment="d9", lease_until=None))
        device.settle()

        assert serving_counter(tmp_path / give_way) == 1
        assert reports(tmp_path / give_way)[-1].outcome is (Outcome.FAILED if number else Outcome.ROLLED_BACK)


def test_a_window_of_the_order_holds_the_switch_alone(tmp_path):
    asked = []

    def may_switch(windows):
        asked.append(windows)
        return Leave(is_given=False, reason="switches wait for their window", wait_s=7200.0)

    device = Leased(tmp_path, may_switch=may_switch)
    device.begin(windows=("22:00-05:00",))

    held = device.held_by()

    assert (device.record.step, held.wait_s) == (Step.COMMIT, 600.0)
    assert asked == [("22:00-05:00",)]
    assert "7200 s more" in device.machine.wait


def test_a_first_install_waits_for_no_window_and_no_battery(tmp_path):
    device = Leased(tmp_path, installed=0, may_switch=lambda _: Leave(is_given=False, wait_s=60.0))
    device.seen = LOW

    device.take(device.releases.install(1, windows=("22:00-05:00",), begin_by=NOW + 60.0))

    assert serving_counter(tmp_path) == 1


def test_an_install_whose_window_cannot_be_read_is_refused(tmp_path):
    device = Leased(tmp_path)

    device.begin(windows=("at night",))
    device.settle()

    report = reports(tmp_path)[-1]
    assert (report.outcome, serving_counter(tmp_path)) == (Outcome.REFUSED, 1)
    assert "the order's window cannot be read" in report.reason


def test_an_install_whose_new_window_cannot_be_read_is_refused_without_blame(tmp_path):
    device = Leased(tmp_path)
    install = device.begin(windows=("22:00-05:00",))
    device.until(Step.TRIAL)

    device.machine.heed(msgspec.structs.replace(install, windows=("at night",)))
    device.settle()

    assert reports(tmp_path)[-1].outcome is Outcome.REFUSED
    assert device.record.rejected == {}


def test_the_worker_of_an_install_whose_new_window_cannot_be_read_is_ended_at_once(tmp_path):
    workers = Remembered(*GOOD)
    device = Leased(tmp_path, trials=workers)
    install = device.begin(windows=("22:00-05:00",))
    device.until(Step.SHADOW)
    assert workers.latest.script

    device.machine.heed(msgspec.structs.replace(install, windows=("at night",)))

    assert not workers.latest.script


def test_a_low_battery_puts_an_install_off_until_its_time_is_over(tmp_path):
    device = Leased(tmp_path)
    device.seen = LOW
    device.begin(begin_by=NOW + 100.0)

    first = device.held_by()
    device.at += 50.0
    second = device.held_by()

    assert (first.wait_s, second.wait_s) == (60.0, 50.0)
    assert (device.machine.deferral.reason, device.machine.deferral.since) == ("battery", NOW)
    assert "put off for at most 50 s: the battery is low" in device.machine.wait
    device.at += 50.0
    device.settle()
    assert (serving_counter(tmp_path), device.machine.deferral) == (2, None)


def test_an_order_that_does_not_let_a_device_wait_is_carried_out_at_once(tmp_path):
    device = Leased(tmp_path)
    device.seen = LOW

    device.begin()
    device.settle()

    assert serving_counter(tmp_path) == 2


def test_a_busy_device_waits_until_it_is_less_busy(tmp_path):
    rates = [None, 50.0, 50.0, *[2.0] * 9]
    device = Leased(tmp_path, settings=Settings(defer_above_requests_s=20.0), requests_s=lambda: rates.pop(0))
    device.begin(begin_by=NOW + 1000.0)

    waits = [device.held_by().wait_s for _ in range(3)]
    reason = device.machine.deferral.reason
    device.settle()

    assert (waits, reason) == ([10.0, 60.0, 60.0], "busy")
    assert serving_counter(tmp_path) == 2


@pytest.mark.parametrize(
    ("seen", "requests_s", "why"),
    [
        (LOW, 0.0, "battery"),
        (LOW, 99.0, "battery"),
        (CALM, 99.0, "busy"),
        (CALM, 20.0, ""),
        (CALM, None, ""),
        (Conditions(), 0.0, ""),
        (Conditions(is_on_battery=True), 0.0, ""),
        (Conditions(is_on_battery=True, battery_percent=30), 0.0, ""),
    ],
)
def test_what_the_machine_does_not_tell_puts_nothing_off(seen, requests_s, why):
    assert why_put_off(Settings(defer_above_requests_s=20.0), seen, requests_s) == why


def test_requests_are_counted_over_all_that_serve(tmp_path):
    now = [0.0]
    traffic = Traffic(tmp_path, lambda: now[0])
    app = Vitals.create_at(tmp_path / "app", "digits", "a" * 64)
    worker = Vitals.create_at(tmp_path / "worker", "digits", "a" * 64)

    rates = [traffic.requests_s()]

    for one in [app, worker] * 10:
        one.end(one.begin())
    for now[0] in (5.0, 10.0, 15.0, 30.0, 500.0):
        rates.append(traffic.requests_s())
    worker.close()

    assert rates == [None, None, 2.0, 2.0, 0.0, None]


@settings(max_examples=50, deadline=None)
@given(
    deeds=st.lists(st.sampled_from(["step", "step", "step", "wait", "renew", "shorten", "boot", "stop"]), max_size=40),
    lease_s=st.integers(-5, 40),
)
def test_nothing_takes_over_or_is_tried_without_a_lease_whatever_comes_in_between(tmp_path_factory, deeds, lease_s):
    root = tmp_path_factory.mktemp("leased")
    device = Leased(root)
    install = device.begin(lease_until=NOW + lease_s)

    for deed in deeds:
        started, was = device.trials.started, serving_counter(root)
        lease_until = device.record.candidate.install.lease_until if device.record.candidate else None
        match deed:
            case "step":
                with contextlib.suppress(Later):
                    device.machine.step()
            case "wait":
                device.at += 7.0
            case "renew" | "shorten":
                until = device.at + (20.0 if deed == "renew" else -1.0)
                install = msgspec.structs.replace(install, lease_until=until)
                device.machine.heed(install)
            case "boot":
                device, started = Leased(root, device), 0
            case "stop":
                device.machine.stop()
        has_begun = device.trials.started > started or serving_counter(root) != was
        assert not has_begun or lease_until is None or device.at <= lease_until

    device.machine.heed(msgspec.structs.replace(install, lease_until=device.at + 1.0))
    device.settle()
    assert serving_counter(root) == 2 or "3 starts did not finish" in str(device.record.rejected)
