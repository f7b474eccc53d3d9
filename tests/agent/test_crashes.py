"""A package that passed its trial and crashes later gives way: by crashes, and by boots that end early."""

from __future__ import annotations

import pytest
from device import BAD, Device, Releases, Shelf, Verdicts, reports, serving_counter

from edgewright.agent import states
from edgewright.agent.disk import Boots, ModelFolder, Spool
from edgewright.agent.machine import NothingToGoBackTo
from edgewright.agent.states import Active, Crash, Instant, ModelRecord, SlotRecord, Step
from edgewright.contract.report import Fault, Outcome

DAY_S = 86_400.0
SPARE, SERVING = "1" * 64, "2" * 64
CRASH = Crash(model="digits", manifest_sha256=SERVING, reason="killed by SIGSEGV while it answered")


def at(hours: float, boot: str = "boot1", uptime_s: float | None = None) -> Instant:
    return Instant(at=1e9 + 3600 * hours, boot=boot, uptime_s=3600 * hours if uptime_s is None else uptime_s)


def serving(**changes) -> ModelRecord:
    slots = {
        "a": SlotRecord(counter=1, version=1, manifest_sha256=SPARE, target="t", deployment="d1"),
        "b": SlotRecord(counter=2, version=2, manifest_sha256=SERVING, target="t", deployment="d2"),
    }
    return ModelRecord(**{"model": "digits", "active": "b", "slots": slots, "floor": 2, **changes})


def blamed(record: ModelRecord, *moments: Instant) -> ModelRecord:
    for moment in moments:
        record = states.blame(record, CRASH, moment)
    return record


def test_the_third_crash_within_a_day_rolls_back_under_the_deployment_that_had_brought_the_package():
    record = blamed(serving(), at(1), at(2))
    assert record.step is Step.IDLE

    record = blamed(record, at(3))
    report = states.to_report(record, 5.0)
    left = states.advance(record, is_ok=True)

    assert record.step is Step.ROLL_BACK
    assert (report.deployment, report.outcome) == ("d2", Outcome.ROLLED_BACK)
    assert report.reason == "it crashed 3 times within a day: killed by SIGSEGV while it answered"
    assert (left.step, left.active, left.floor, left.crashes) == (Step.REPORT, "a", 2, ())
    assert left.rejected == {SERVING: report.reason}


def test_crashes_on_different_days_are_forgiven():
    record = blamed(serving(), *(at(25 * number) for number in range(9)))

    assert (record.step, len(record.crashes)) == (Step.IDLE, 1)


def test_a_crash_of_another_package_is_not_laid_to_the_active_one():
    record = serving()

    assert states.blame(record, Crash(model="digits", manifest_sha256=SPARE, reason="r"), at(1)) is record


@pytest.mark.parametrize(
    "moments",
    [
        [at(0, "b1", 10.0), at(0.1, "b2", 10.0), at(0.2, "b3", 10.0)],  # a reboot each time
        [at(0, "b1", 10.0), at(900_000, "b1", 20.0), at(0, "b1", 30.0)],  # the clock leaps within one boot
        [at(0, "b1", 10.0), at(640_000, "b2", 10.0), at(0.1, "b3", 10.0)],  # 2099 in between
        [at(640_000, "b1", 10.0), at(0, "b2", 10.0), at(0.1, "b3", 10.0)],  # 2099 at first
    ],
)
def test_a_clock_that_jumps_hides_no_crash(moments):
    assert blamed(serving(), *moments).step is Step.ROLL_BACK


def test_a_crash_that_a_wrong_clock_dated_in_the_future_is_forgiven_a_day_after_the_next():
    record = blamed(serving(), at(640_000, "b1"), at(0, "b2"), at(30, "b3"), at(60, "b4"))

    assert (record.step, len(record.crashes)) == (Step.IDLE, 1)


@pytest.mark.parametrize("step", [Step.STAGE, Step.TRIAL, Step.SHADOW, Step.COMMIT])
def test_while_a_candidate_has_the_spare_slot_crashes_are_counted_and_nothing_more(step):
    record = blamed(serving(step=step), at(1), at(2), at(3))

    assert (record.step, len(record.crashes)) == (step, 3)


@pytest.mark.parametrize(("is_settled", "expected"), [(False, Step.ROLL_BACK), (True, Step.IDLE)])
def test_a_device_that_goes_down_five_times_in_a_row_with_a_young_package_gives_it_up(is_settled, expected):
    record = states.settle(serving()) if is_settled else serving()

    for _ in range(states.MAX_SHORT_BOOTS):
        assert record.step is Step.IDLE
        record = states.suspect(record)

    assert record.step is expected
    if not is_settled:
        assert "went down 5 times in a row" in states.to_report(record, 0.0).reason


def test_an_hour_of_service_in_between_begins_the_count_anew():
    record = serving()
    for _ in range(states.MAX_SHORT_BOOTS - 1):
        record = states.suspect(record)

    assert states.settle(record).short_boots == 0


# The machine, on a real folder.


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def releases() -> Releases:
    return Releases(Shelf())


@pytest.fixture
def device(tmp_path, releases) -> Device:
    """Release 2 serves, and release 1 lies in the spare slot."""
    return Device(tmp_path, releases.shelf).take(releases.install(1)).take(releases.install(2))


def crash(device: Device, times: int = 1) -> Device:
    active = states.active_slot(device.record)
    for _ in range(times):
        device.machine.blame(Crash(model="digits", manifest_sha256=active.manifest_sha256, reason="SIGSEGV"))
    return device


def faults(device: Device) -> list[Fault]:
    return [one.record for one in Spool(device.root / "spool").pending(100, 10**6) if isinstance(one.record, Fault)]


def test_each_crash_is_told_to_the_hub_as_a_fault_of_its_model(device):
    crash(device, 2)

    assert [(one.code, one.message) for one in faults(device)] == [("crashed", "digits: SIGSEGV")] * 2


def test_a_package_that_crashes_gives_way_without_the_hub_and_is_refused_afterwards(device, releases):
    crash(device, 3).settle()
    assert serving_counter(device.root) == 1
    assert (reports(device.root)[-1].outcome, reports(device.root)[-1].deployment) == (Outcome.ROLLED_BACK, "d2")

    device.take(releases.install(2, deployment="d3"))

    assert serving_counter(device.root) == 1
    assert reports(device.root)[-1].outcome is Outcome.REFUSED
    assert "crashed 3 times" in reports(device.root)[-1].reason


def test_crashes_are_counted_across_starts_of_the_agent(device, releases):
    for _ in range(3):
        device = crash(Device(device.root, releases.shelf))

    device.settle()

    assert serving_counter(device.root) == 1


def test_without_a_good_spare_the_crashing_package_goes_on_and_people_are_told_once(device, releases):
    (device.root / "models" / "digits" / "a" / "model.onnx").write_bytes(b"rotten")

    crash(device, 3).settle()
    crash(device, 3).settle()
    crash(Device(device.root, releases.shelf), 3).settle()

    assert serving_counter(device.root) == 2
    assert [fault.code for fault in faults(device)] == [*["crashed"] * 3, "nothing_to_go_back_to"]
    assert "crashed 3 times" in faults(device)[-1].message


def test_an_install_that_is_being_fetched_waits_for_the_roll_back(device, releases):
    offer = releases.install(3)
    device.machine.offer(*offer)

    crash(device, 3).settle()
    assert serving_counter(device.root) == 1
    device.take(offer)

    assert serving_counter(device.root) == 3


def test_a_candidate_that_fails_while_the_active_package_crashes_leaves_nothing_to_go_back_to(device, releases):
    failing = Device(device.root, releases.shelf, Verdicts(*BAD))
    failing.machine.offer(*releases.install(3))
    while failing.record.step is not Step.TRIAL:
        failing.machine.step()

    crash(failing, 3).settle()
    failing.machine.step()
    failing.settle()

    assert serving_counter(device.root) == 2
    assert [fault.code for fault in faults(device)] == [*["crashed"] * 3, "nothing_to_go_back_to"]


def test_who_serves_hears_of_every_change(tmp_path, releases):
    heard: list[tuple[Active | None, Active | None]] = []
    device = Device(tmp_path, releases.shelf, follow=lambda _model, active, spare: heard.append((active, spare)))

    device.take(releases.install(1)).take(releases.install(2))
    crash(device, 3).settle()

    counters = [tuple(one.counter if one else 0 for one in pair) for pair in heard]
    assert counters == [(0, 0), (1, 0), (2, 1), (1, 0)]


def test_a_roll_back_that_somebody_here_wishes_reports_itself(device):
    device.machine.go_back("a person on site: it sees ghosts")
    device.settle()

    report = reports(device.root)[-1]
    assert serving_counter(device.root) == 1
    assert (report.outcome, report.deployment) == (Outcome.ROLLED_BACK, "d2")
    assert report.reason == "a person on site: it sees ghosts"


def test_a_roll_back_to_nothing_is_refused(tmp_path, releases):
    device = Device(tmp_path, releases.shelf).take(releases.install(1))

    with pytest.raises(NothingToGoBackTo):
        device.machine.go_back("why not")


def test_a_deployment_outlives_the_loss_of_both_records(device, releases):
    for name in ("state.json", "state.json.bak"):
        (device.root / "models" / "digits" / name).write_bytes(b"{}")
    device = Device(device.root, releases.shelf)

    crash(device, 3).settle()

    assert (reports(device.root)[-1].deployment, reports(device.root)[-1].counter) == ("d2", 2)


def test_a_young_package_with_which_the_device_goes_down_gives_way_at_the_fifth_start(device, releases):
    for number in range(states.MAX_SHORT_BOOTS):
        assert serving_counter(device.root) == 2, number
        device = Device(device.root, releases.shelf)
        device.machine.suspect()
        device.settle()

    assert serving_counter(device.root) == 1
    assert "went down 5 times" in reports(device.root)[-1].reason


def test_on_a_device_that_was_cut_off_often_before_that_says_nothing(tmp_path, releases):
    device = Device(tmp_path, releases.shelf, is_often_cut_off=lambda: True).take(releases.install(1))

    assert states.active_slot(device.record).is_settled


def test_an_hour_of_service_settles_a_package(tmp_path, releases):
    device = Device(tmp_path, releases.shelf).take(releases.install(1))
    device.now += states.SETTLED_S - 1
    device.machine.step()
    assert not states.active_slot(device.record).is_settled

    device.now += 1
    device.machine.step()

    assert states.active_slot(device.record).is_settled


def test_what_serves_is_known_by_its_slot_after_a_recovery(device):
    folder = ModelFolder(device.root / "models" / "digits", "digits")

    assert (folder.path / "b" / "committed").read_bytes() == b"d2"


@pytest.mark.parametrize(
    ("ends", "went_down", "in_a_row"),
    [
        (["cut"], True, 1),
        (["cut", "cut"], True, 2),
        (["cut", "settled"], False, 0),
        (["shut down"], False, 0),
        (["cut", "shut down", "cut"], True, 1),
    ],
)
def test_a_boot_that_ended_early_without_a_shut_down_is_known_by_the_next(tmp_path, ends, went_down, in_a_row):
    for number, end in enumerate(ends):
        boots = Boots(tmp_path, f"boot{number}")
        if end != "cut":
            boots.settle()

    boots = Boots(tmp_path, "now")

    assert (boots.went_down, boots.in_a_row) == (went_down, in_a_row)


def test_an_agent_that_is_started_again_within_a_boot_is_no_boot(tmp_path):
    Boots(tmp_path, "boot1")

    again = Boots(tmp_path, "boot1")

    assert (again.went_down, again.in_a_row) == (False, 0)


def test_where_the_kernel_names_no_boot_nothing_is_suspected(tmp_path):
    Boots(tmp_path, "")

    assert not Boots(tmp_path, "").went_down


def test_a_damaged_note_of_boots_is_a_new_one(tmp_path):
    (tmp_path / "boots.json").write_bytes(b"\0\0\0")

    assert not Boots(tmp_path, "boot1").went_down
