"""What a device still knows when its records are damaged."""

from __future__ import annotations

import shutil

import pytest
from device import Device, Releases, Shelf, reports, serving_counter

from edgewright.agent.disk.slots import Condition, ModelFolder
from edgewright.agent.disk.spool import Spool
from edgewright.contract.report import Fault, Outcome


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def root(tmp_path, shelf):
    releases = Releases(shelf)
    Device(tmp_path, shelf).take(releases.install(4)).take(releases.install(5))
    return tmp_path


def damage(root, *names: str) -> ModelFolder:
    folder = ModelFolder(root / "models" / "digits", "digits")
    for name in names:
        data = bytearray((folder.path / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder.path / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", ["state.json", "state.json.bak"])
def test_one_damaged_copy_is_mended_from_the_other(root, shelf, name):
    folder = damage(root, name)

    assert folder.load()[1] is Condition.MENDED
    Device(root, shelf)

    assert folder.load()[1] is Condition.WHOLE
    assert serving_counter(root) == 5


def test_with_both_copies_damaged_the_newest_tried_slot_serves_and_the_floor_stays(root, shelf):
    damage(root, "state.json", "state.json.bak")

    device = Device(root, shelf).take(Releases(shelf).install(4, deployment="late"))

    assert serving_counter(root) == device.record.floor == 5
    assert reports(root)[-1].outcome is Outcome.REFUSED
    told = [entry.record for entry in Spool(root / "spool").pending(100, 10**6)]
    assert any(isinstance(record, Fault) and record.code == "state_recovered" for record in told)


def test_the_floor_outlives_even_the_files_of_the_release_that_set_it(root, shelf):
    folder = damage(root, "state.json", "state.json.bak")
    record_before = folder.load()[0]
    (folder.slot(record_before.active) / "model.onnx").write_bytes(b"rotten")

    device = Device(root, shelf)

    assert serving_counter(root) == 4
    assert device.record.floor == 5


def test_the_floor_outlives_a_slot_that_has_left_no_trace(root, shelf):
    folder = damage(root, "state.json", "state.json.bak")
    shutil.rmtree(folder.slot("b"))

    device = Device(root, shelf)

    assert serving_counter(root) == 4
    assert device.record.floor == 5


def test_a_noted_floor_that_was_damaged_too_counts_for_nothing(root, shelf):
    folder = damage(root, "state.json", "state.json.bak", "floor.json")
    shutil.rmtree(folder.slot("b"))

    device = Device(root, shelf)

    assert serving_counter(root) == device.record.floor == 4


def test_an_untried_candidate_does_not_serve_after_a_recovery(tmp_path, shelf):
    releases = Releases(shelf)
    device = Device(tmp_path, shelf).take(releases.install(1))
    device.machine.offer(*releases.install(2))
    while not device.machine.folder.verifies("b"):
        device.machine.step()
    damage(tmp_path, "state.json", "state.json.bak")

    Device(tmp_path, shelf)

    assert serving_counter(tmp_path) == 1


def test_an_active_slot_that_rots_gives_way_to_the_spare_one_on_the_next_start(root, shelf):
    folder = ModelFolder(root / "models" / "digits", "digits")
    (folder.slot(folder.load()[0].active) / "model.onnx").write_bytes(b"rotten")

    device = Device(root, shelf)

    assert serving_counter(root) == 4
    assert device.record.floor == 5
