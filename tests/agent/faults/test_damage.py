"""What flash memory does in time: bits flip, in the record, in the floors, in the spool, in the slots."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from device import Device, Shelf, Verdicts, serving_counter
from faults.packages import RealReleases, answering_counter

from edgewright.agent.disk import Condition, Floors, ModelFolder
from edgewright.agent.disk.spool import Spool, Writer
from edgewright.contract.report import Fault
from hostile.campaign import SEED

COPIES = ("state.json", "state.json.bak")
QUICK = 97


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def root(tmp_path, shelf) -> Path:
    """A device with release 2 at work and release 1 in the spare slot."""
    for counter in (1, 2):
        Device(tmp_path / "device", shelf).take(RealReleases(shelf).install(counter))
    return tmp_path / "device"


def folder(root: Path) -> ModelFolder:
    return ModelFolder(root / "models" / "digits", "digits")


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with another bit at that place."""
    mutant = bytearray(data)
    mutant[bit // 8] ^= 1 << bit % 8
    return bytes(mutant)


@pytest.mark.e2e
@pytest.mark.parametrize("damaged", COPIES)
def test_a_flipped_bit_in_one_copy_of_the_record_changes_nothing(root, damaged, tell_figure):
    path = root / "models" / "digits" / damaged
    whole, (record, _) = path.read_bytes(), folder(root).load()

    for bit in range(len(whole) * 8):
        path.write_bytes(flipped(whole, bit))

        assert folder(root).load() == (record, Condition.MENDED), f"bit {bit}"
    tell_figure(f"flip {damaged}: {len(whole) * 8} bits, each of them, 0 changed anything")


@pytest.mark.parametrize(
    "stride",
    [
        pytest.param(QUICK, id="some"),
        pytest.param(11, id="many", marks=pytest.mark.e2e),
        pytest.param(1, id="every", marks=pytest.mark.slow),
    ],
)
def test_the_same_bit_flipped_in_both_copies_costs_neither_model_nor_floor(root, shelf, stride, tell_figure):
    paths = [root / "models" / "digits" / name for name in COPIES]
    whole = paths[0].read_bytes()
    bits = range(SEED % stride, len(whole) * 8, stride)

    for bit in bits:
        for path in paths:
            path.write_bytes(flipped(whole, bit))
        device = Device(root, shelf, Verdicts())

        assert (serving_counter(root), device.record.floor) == (2, 2), f"bit {bit}"
    tell_figure(f"flip both copies of the record: {len(bits)} of {len(whole) * 8} bits, 0 without a model")


def test_a_flipped_bit_in_the_active_slot_gives_way_to_the_spare_one(root, shelf):
    slot = folder(root).slot(folder(root).load()[0].active)
    spoil(slot / "model.onnx", 4001)

    device = Device(root, shelf, Verdicts())

    assert (serving_counter(root), answering_counter(root), device.record.floor) == (1, 1, 2)


def test_a_flipped_bit_in_the_spare_slot_changes_nothing_and_is_no_base_for_a_delta(root, shelf):
    record, _ = folder(root).load()
    spoil(folder(root).slot("b" if record.active == "a" else "a") / "model.onnx", 4001)

    Device(root, shelf).take(RealReleases(shelf).install(3))

    assert answering_counter(root) == 3


def test_a_device_of_which_nothing_is_left_whole_installs_again(root, shelf):
    for path in (root / "models").rglob("*"):
        if path.is_file():
            spoil(path, 5)

    device = Device(root, shelf).take(RealReleases(shelf).install(3))

    assert (answering_counter(root), device.record.floor) == (3, 3)


def test_lost_records_and_slots_do_not_let_the_floor_fall_by_themselves(root, shelf):
    for name in COPIES:
        spoil(root / "models" / "digits" / name, 5)

    device = Device(root, shelf).take(RealReleases(shelf).install(1))

    assert (answering_counter(root), device.record.floor) == (2, 2)


@pytest.mark.parametrize("stride", [13])
def test_a_flipped_bit_in_one_copy_of_the_floors_changes_nothing_and_in_both_is_noticed(tmp_path, stride):
    Floors(tmp_path).write("timestamp.json", b"7" * 50)
    paths = [tmp_path / "floors.json", tmp_path / "floors.json.bak"]
    whole = paths[0].read_bytes()

    for bit in range(SEED % stride, len(whole) * 8, stride):
        for damaged in ([paths[0]], [paths[1]], paths):
            for path in paths:
                path.write_bytes(flipped(whole, bit) if path in damaged else whole)
            floors = Floors(tmp_path)

            kept = floors.read("timestamp.json")
            assert kept == b"7" * 50 or (damaged is paths and kept is None)
            assert (kept is None) == (floors.condition is Condition.RECOVERED)


@pytest.mark.e2e
def test_a_flipped_bit_in_the_spool_costs_its_own_record_and_no_other(tmp_path, tell_figure):
    writer = Writer(tmp_path / "spool", "app")
    for number in range(3):
        writer.append(Fault(id=str(number), at=1.0, code="c", message="m"))
    writer.close()
    [path] = (tmp_path / "spool").glob("*.log")
    whole = path.read_bytes()

    for bit in range(len(whole) * 8):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(tmp_path / "spool", tmp_path / "copy")
        (tmp_path / "copy" / path.name).write_bytes(flipped(whole, bit))
        left = [entry.record.id for entry in Spool(tmp_path / "copy").pending(10, 10**6)]

        hit = bit // 8 * 3 // len(whole)
        assert left == [str(number) for number in range(3) if number != hit], f"bit {bit}"
    tell_figure(f"flip the spool: {len(whole) * 8} bits, each of them, 0 cost another record")


def spoil(path: Path, bit: int) -> None:
    """Flip a bit as flash does: what is linked elsewhere keeps its own."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(flipped(data, bit % (len(data) * 8)) if data else b"x")
