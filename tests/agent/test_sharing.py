"""Many models on one disk: what two have in common lies there once, and what has no room is not begun."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest
from device import GOOD, Device, Releases, Shelf, Verdicts, reports, serving_counter

from edgewright.agent.disk import ModelFolder, Settings, usage
from edgewright.agent.install import Room, no_room
from edgewright.agent.link import Later, Leave
from edgewright.agent.states import Crash, Step, active_slot
from edgewright.agent.trial import ShadowReady, TrialResult
from edgewright.contract.order import Rollback
from edgewright.contract.report import Outcome


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def releases() -> Releases:
    return Releases(Shelf())


def neighbour_with(releases: Releases, root: Path, counter: int) -> Path:
    """Another model, `plates`, whose active slot holds the very files of that release."""
    device = Device(root, releases.shelf).take(releases.install(counter))
    (root / "models" / "digits").rename(root / "models" / "plates")
    folder = ModelFolder(root / "models" / "plates", "digits")
    record, _ = folder.load()
    ModelFolder(folder.path, "plates").save(msgspec.structs.replace(record, model="plates"))
    releases.shelf.asked.clear()
    return root / "models" / "plates" / device.record.active


def test_a_file_that_another_model_holds_is_linked_and_not_fetched(tmp_path, releases):
    slot = neighbour_with(releases, tmp_path, 1)

    device = Device(tmp_path, releases.shelf).take(releases.install(1))

    mine = tmp_path / "models" / "digits" / device.record.active / "model.onnx"
    assert serving_counter(tmp_path) == 1
    assert os.stat(mine).st_ino == os.stat(slot / "model.onnx").st_ino
    assert not releases.shelf.asked
    assert reports(tmp_path)[-1].received_bytes < 1000  # the manifest


def test_a_file_that_has_rotted_with_another_model_is_fetched(tmp_path, releases):
    slot = neighbour_with(releases, tmp_path, 1)
    (slot / "model.onnx").write_bytes(b"x" * 900)

    Device(tmp_path, releases.shelf).take(releases.install(1))

    assert serving_counter(tmp_path) == 1
    assert len(releases.shelf.asked) == 1


def test_a_file_of_another_model_is_a_base_for_deltas(tmp_path, releases):
    neighbour_with(releases, tmp_path, 1)

    Device(tmp_path, releases.shelf).take(releases.install(2))

    assert serving_counter(tmp_path) == 2
    assert reports(tmp_path)[-1].used_delta


def test_a_file_system_without_links_gets_copies(tmp_path, releases, monkeypatch):
    neighbour_with(releases, tmp_path, 1)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", refuse)
    device = Device(tmp_path, releases.shelf).take(releases.install(1))

    mine = tmp_path / "models" / "digits" / device.record.active / "model.onnx"
    assert serving_counter(tmp_path) == 1
    assert os.stat(mine).st_nlink == 1
    assert not usage.is_linking(tmp_path)


def test_an_install_beyond_the_agents_part_of_the_disk_is_refused_before_it_is_fetched(tmp_path, releases):
    device = Device(tmp_path, releases.shelf, settings=Settings(disk_max_bytes=100_000))

    device.take(releases.install(1))

    report = reports(tmp_path)[-1]
    assert report.outcome is Outcome.REFUSED
    assert "it may take 100000" in report.reason
    assert not releases.shelf.asked


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (Room(free_bytes=10**9), ""),
        (Room(free_bytes=600_000, reserve_bytes=500_000), "600000 are free, of which 500000 are kept free"),
        (Room(free_bytes=10**9, used_bytes=400_000, max_bytes=500_000), "beside the 400000 that the agent takes"),
        (Room(free_bytes=10**9, used_bytes=400_000, max_bytes=20_000_000), ""),
    ],
)
def test_a_refusal_for_want_of_room_has_its_figures(releases, room, why):
    install, manifest, _ = releases.install(1)

    found = no_room(manifest, install.fetches, (), room)

    assert why in found
    assert bool(found) is bool(why)


def test_where_nothing_can_be_linked_an_install_needs_its_files_twice(releases):
    _, manifest, _ = releases.install(1)
    files_bytes = sum(file.size_bytes for file in manifest.files)
    held = {file.sha256 for file in manifest.files}

    def needed(held: set[str], *, is_linking: bool) -> int:
        return int(no_room(manifest, (), held, Room(free_bytes=0, is_linking=is_linking)).split()[3])

    assert needed(set(), is_linking=False) - needed(set(), is_linking=True) == files_bytes
    assert needed(set(), is_linking=True) - needed(held, is_linking=True) == files_bytes
    assert needed(held, is_linking=False) == needed(set(), is_linking=False)


def test_a_content_with_two_names_is_counted_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    once = usage.used_bytes(tmp_path)

    os.link(tmp_path / "a", tmp_path / "b")

    assert 100_000 <= once == usage.used_bytes(tmp_path)
    assert usage.is_linking(tmp_path)


# Windows in which an active package may be replaced.


class Window:
    def __init__(self) -> None:
        self.is_open = False

    def __call__(self) -> Leave:
        return Leave(is_given=self.is_open, reason="switching models waits until 22:00", wait_s=9000.0)


def waiting(tmp_path: Path, releases: Releases, window: Window) -> Device:
    """Release 1 serves; release 2 has passed its trial and waits."""
    device = Device(tmp_path, releases.shelf, may_switch=window).take(releases.install(1))
    device.machine.offer(*releases.install(2))
    with pytest.raises(Later, match="until 22:00") as told:
        device.settle()
    assert (told.value.wait_s, device.record.step) == (600.0, Step.COMMIT)
    return device


def test_a_first_install_waits_for_no_window_and_a_second_does(tmp_path, releases):
    window = Window()
    device = waiting(tmp_path, releases, window)
    assert serving_counter(tmp_path) == 1

    window.is_open = True
    device.settle()

    assert serving_counter(tmp_path) == 2


def test_an_active_package_that_crashes_is_replaced_outside_the_window(tmp_path, releases):
    device = waiting(tmp_path, releases, Window())
    digest = active_slot(device.record).manifest_sha256

    for _ in range(3):
        device.machine.blame(Crash(model="digits", manifest_sha256=digest, reason="SIGSEGV"))
    device.settle()

    assert serving_counter(tmp_path) == 2


def test_a_candidate_that_waits_for_its_window_can_be_taken_back(tmp_path, releases):
    device = waiting(tmp_path, releases, Window())

    device.machine.give_up(Rollback(deployment="d2", model="digits", counter=2, reason="stop"))
    device.settle()

    assert serving_counter(tmp_path) == 1
    assert reports(tmp_path)[-1].outcome is Outcome.ROLLED_BACK


# A disk that is full at the wrong moment.


class FullDisk:
    """Lets `save` fail, so many times, once the record would leave the step."""

    def __init__(self, device: Device, step: Step, times: int) -> None:
        self._real = device.machine.folder.save
        self._step = step
        self._times = times
        self._device = device
        device.machine.folder.save = self

    def __call__(self, record):
        if self._device.record.step is self._step is not record.step and self._times:
            self._times -= 1
            raise OSError(errno.ENOSPC, "the disk is full")
        return self._real(record)


@pytest.mark.parametrize("step", [Step.TRIAL, Step.SHADOW])
@pytest.mark.parametrize("is_hasty", [True, False])
def test_what_a_worker_said_while_the_disk_was_full_is_not_forgotten(tmp_path, releases, step, is_hasty):
    Device(tmp_path, releases.shelf).take(releases.install(1))
    device = Device(tmp_path, releases.shelf, Verdicts(*GOOD, is_hasty=is_hasty))
    device.machine.offer(*releases.install(2))
    FullDisk(device, step, times=3)

    failures = 0
    while not device.machine.is_idle:
        try:
            device.machine.step()
        except OSError:
            failures += 1

    assert failures == 3
    assert serving_counter(tmp_path) == 2
    assert device.trials.started == 1


def test_a_worker_that_cannot_be_started_costs_no_try(tmp_path, releases):
    class Busy(Verdicts):
        def start(self, *arguments):
            if self.started < 5:
                self.started += 1
                raise OSError(errno.EMFILE, "too many open files")
            return super().start(*arguments)

    device = Device(tmp_path, releases.shelf, Busy(TrialResult(ok=True)))
    device.machine.offer(*releases.install(1))
    while not device.machine.is_idle:
        try:
            device.machine.step()
        except OSError:
            assert device.record.candidate.tries_left == 3

    assert serving_counter(tmp_path) == 1


def test_a_shadow_phase_without_its_worker_begins_again_at_the_trial(tmp_path, releases):
    Device(tmp_path, releases.shelf).take(releases.install(1))
    device = Device(tmp_path, releases.shelf, Verdicts(TrialResult(ok=True), ShadowReady()))
    device.machine.offer(*releases.install(2))
    while device.record.step is not Step.SHADOW:
        device.machine.step()

    device.machine._trying.end()
    device.machine.step()

    assert device.record.step is Step.TRIAL
