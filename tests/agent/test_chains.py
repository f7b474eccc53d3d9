"""Deltas in chains, and what becomes of an install when a base has rotted or a link of the chain is missing."""

from __future__ import annotations

import msgspec
import pytest
from device import Device, Releases, Shelf, reports, serving_counter, sha256

from edgewright.agent.disk.spool import Spool
from edgewright.contract.errors import Unreachable
from edgewright.contract.order import Fetch
from edgewright.contract.report import Fault, Outcome


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def releases(shelf) -> Releases:
    return Releases(shelf)


def link(releases: Releases, counter: int, **changes) -> Fetch:
    """The delta from release `counter` - 1 to `counter`."""
    fetch = releases.install(counter)[0].fetches[0]
    return msgspec.structs.replace(fetch, **changes)


def chained(releases: Releases, counter: int, *fetches: Fetch):
    install, manifest, data = releases.install(counter)
    return msgspec.structs.replace(install, fetches=fetches), manifest, data


def faults(root) -> list[Fault]:
    return [entry.record for entry in Spool(root / "spool").pending(100, 10**6) if isinstance(entry.record, Fault)]


def staged(root) -> list[str]:
    return [path.name for path in (root / "staging" / "digits").iterdir()]


def test_a_chain_of_deltas_leads_over_releases_that_this_device_never_had(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))

    device.take(chained(releases, 4, link(releases, 4), link(releases, 2), link(releases, 3)))

    report = reports(tmp_path)[1]
    assert serving_counter(tmp_path) == 4
    assert report.used_delta
    assert report.received_bytes == report.full_bytes - 900 - 240  # three deltas of 900 for a file of 3600
    assert staged(tmp_path) == []


def test_of_two_ways_the_one_of_fewer_bytes_is_taken(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1)).take(releases.install(2))
    long = b"".join(bytes([part]) * 900 for part in range(2, 5))
    direct = link(
        releases, 4, base_sha256=sha256(releases.files(1)["model.onnx"]), sha256=shelf.add(long), size_bytes=2700
    )

    device.take(chained(releases, 4, direct, link(releases, 4), link(releases, 3)))

    assert serving_counter(tmp_path) == 4
    assert sha256(long) not in {digest for digest, _ in shelf.asked}


def test_a_chain_goes_on_after_a_restart_where_it_stood(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    fetches = [link(releases, counter) for counter in (2, 3, 4)]
    lost = shelf.blobs[fetches[2].sha256]
    device.machine.offer(*chained(releases, 4, *fetches))
    shelf.blobs[fetches[2].sha256] = lost[:100]
    with pytest.raises(Unreachable):
        device.settle()

    shelf.blobs[fetches[2].sha256] = lost
    shelf.asked.clear()
    Device(tmp_path, shelf).settle()

    assert serving_counter(tmp_path) == 4
    assert [digest for digest, _ in shelf.asked][:1] == [fetches[2].sha256]
    assert fetches[0].sha256 not in {digest for digest, _ in shelf.asked}


@pytest.mark.parametrize("broken", [2, 3, 4])
def test_a_chain_with_a_broken_link_is_made_up_for_by_the_whole_file(tmp_path, shelf, releases, broken):
    device = Device(tmp_path, shelf).take(releases.install(1))
    bad = link(releases, broken, sha256=shelf.add(b"broken"), size_bytes=6)
    fetches = [bad if counter == broken else link(releases, counter) for counter in (2, 3, 4)]

    device.take(chained(releases, 4, *fetches))

    assert serving_counter(tmp_path) == 4
    assert reports(tmp_path)[1].outcome is Outcome.COMMITTED
    assert faults(tmp_path) == []
    assert staged(tmp_path) == []


def test_what_lies_between_may_not_be_larger_than_the_package_s_largest_file(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    swollen = link(releases, 2, result_sha256="5" * 64, result_bytes=10**9)
    onwards = link(releases, 3, base_sha256="5" * 64)

    device.take(chained(releases, 3, swollen, onwards))

    assert serving_counter(tmp_path) == 3
    assert swollen.sha256 not in {digest for digest, _ in shelf.asked}


def test_deltas_that_lead_in_a_circle_lead_nowhere(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    there = link(releases, 3, base_sha256="5" * 64)
    back = link(releases, 3, result_sha256="5" * 64, base_sha256=there.result_sha256)

    device.take(chained(releases, 3, there, back))

    assert serving_counter(tmp_path) == 3


def test_a_base_that_has_rotted_on_disk_is_done_without_in_the_same_install_and_told(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    model = tmp_path / "models" / "digits" / "a" / "model.onnx"
    model.write_bytes(b"\0" + model.read_bytes()[1:])

    device.take(releases.install(2))

    report = reports(tmp_path)[1]
    assert serving_counter(tmp_path) == 2
    assert (report.outcome, report.used_delta) == (Outcome.COMMITTED, False)
    assert [fault.code for fault in faults(tmp_path)] == ["base_rotted"]


def test_one_rotten_base_is_tried_once_however_many_deltas_build_on_it(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    model = tmp_path / "models" / "digits" / "a" / "model.onnx"
    model.write_bytes(b"\0" + model.read_bytes()[1:])
    first, second = link(releases, 2), link(releases, 2, sha256=shelf.add(b"x" * 901), size_bytes=901)

    device.take(chained(releases, 2, first, second))

    assert serving_counter(tmp_path) == 2
    assert second.sha256 not in {digest for digest, _ in shelf.asked}
    assert len(faults(tmp_path)) == 1


def test_an_unchanged_file_that_has_rotted_in_its_slot_is_fetched_anew(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    (tmp_path / "models" / "digits" / "a" / "golden.safetensors").write_bytes(b"rotten")

    device.take(releases.install(2))

    assert serving_counter(tmp_path) == 2
    assert sha256(b"golden" * 40) in {digest for digest, _ in shelf.asked}
    assert [fault.code for fault in faults(tmp_path)] == ["base_rotted"]
