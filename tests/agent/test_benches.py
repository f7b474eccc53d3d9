"""Benches on a device: what is measured and told, what is refused, and what a cut of the power may come upon."""

from __future__ import annotations

import random
import shutil

import pytest
from bencher import HOT, Bencher, bench_of, bench_reports
from device import Device, Releases, Shelf, Verdicts, serving_counter
from power import Power, PowerCut, Recorder, contents, disks, lay_out
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.bench import book
from edgewright.agent.disk import Settings
from edgewright.agent.link import Later, Leave
from edgewright.agent.trial import TrialResult
from edgewright.contract.manifest import Budgets, Runtime
from edgewright.contract.report import BenchOutcome, InstallReport

DONE, REFUSED, FAILED = BenchOutcome.DONE, BenchOutcome.REFUSED, BenchOutcome.FAILED


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def releases() -> Releases:
    return Releases(Shelf())


@pytest.fixture
def device(tmp_path, releases) -> Bencher:
    return Bencher(tmp_path / "agent", releases.shelf)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


def test_a_package_is_measured_and_nothing_of_it_stays(device, releases):
    bench, manifest, data = bench_of(releases)

    device.order((bench, manifest, data)).settle()

    (report,) = device.told()
    assert (report.request, report.outcome, report.manifest_sha256) == ("b1", DONE, bench.manifest_sha256)
    assert (report.latency_p99_ms, report.memory_bytes, report.calls) == (3.0, 5, 100)
    assert (report.runtime_version, report.before, report.after) == ("1.23.2", HOT, HOT)
    assert report.received_bytes == len(data) + sum(file.size_bytes for file in manifest.files)
    assert device.left() == []
    assert not (device.root / "models").exists()


def test_what_a_model_has_written_beside_its_files_goes_too_and_what_it_links_to_stays(device, releases, tmp_path):
    other = tmp_path / "other"
    (other / "inner").mkdir(parents=True)
    (other / "kept").touch()
    place = device.root / "benches" / "package"
    (place / "cache" / "deep").mkdir(parents=True)
    (place / "cache" / "deep" / "file").touch()
    (place / "linked").symlink_to(other)
    (place / "lost").symlink_to(tmp_path / "nowhere")

    device.order(bench_of(releases)).settle()

    assert [report.outcome for report in device.told()] == [DONE]
    assert device.left() == []
    assert list(place.iterdir()) == []
    assert (other / "kept").exists()


def test_what_was_reported_is_not_measured_again_after_a_reboot(device, releases):
    offer = bench_of(releases)
    device.order(offer).settle()

    again = Bencher(device.root, releases.shelf).order(offer).settle()

    assert again.trials.started == 0
    assert len(again.told()) == 1


def test_a_package_in_a_slot_is_measured_without_being_fetched(tmp_path, releases):
    root = tmp_path / "agent"
    Device(root, releases.shelf).take(releases.install(1))
    releases.shelf.asked.clear()

    device = Bencher(root, releases.shelf).order(bench_of(releases)).settle()

    assert device.told()[0].outcome is DONE
    assert releases.shelf.asked == []
    assert serving_counter(root) == 1


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({"runtime": Runtime(name="litert", minimum="1", below="2")}, {}, "needs the runtime litert"),
        ({"hardware": ("aarch64",)}, {}, "is for aarch64"),
        ({"budgets": Budgets(latency_p95_ms=1.0, memory_bytes=10**7)}, {"ram_bytes": 10**6}, "the device has 0 MiB"),
        ({"budgets": Budgets(latency_p95_ms=1.0, memory_bytes=3 * 2**20)},
         {"ram_bytes": 10**8, "settings": Settings(memory_max_bytes=2**20)}, "models here may take 1 MiB"),
        ({}, {"disk_free_bytes": 1000}, "bytes of disk"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_reason(tmp_path, releases, changes, facts, reason):
    device = Bencher(tmp_path / "agent", releases.shelf, **facts)

    device.order(bench_of(releases, **changes)).settle()

    (report,) = device.told()
    assert report.outcome is REFUSED
    assert reason in report.reason
    assert device.trials.started == 0
    assert releases.shelf.asked == []


def test_a_bench_never_goes_below_the_counter_floor(tmp_path, releases):
    root = tmp_path / "agent"
    Device(root, releases.shelf).take(releases.install(2))

    device = Bencher(root, releases.shelf).order(bench_of(releases, 1)).settle()

    assert "older than release 2" in device.told()[0].reason


def test_what_the_device_has_rejected_is_not_loaded_by_way_of_a_bench(tmp_path, releases):
    root = tmp_path / "agent"
    Device(root, releases.shelf, Verdicts(TrialResult(ok=False, reason="it crashed"))).take(releases.install(1))

    device = Bencher(root, releases.shelf).order(bench_of(releases)).settle()

    assert device.told()[0].outcome is REFUSED
    assert "has rejected the package: it crashed" in device.told()[0].reason


def test_a_model_that_crashes_is_reported_as_failed(device, releases):
    device.trials.measured = ()
    device.trials.final = "the worker was killed by SIGSEGV"

    device.order(bench_of(releases)).settle()

    assert device.told()[0].reason == "the worker was killed by SIGSEGV during its bench"
    assert device.left() == []


def test_a_model_that_hangs_is_given_up_after_a_minute(device, releases):
    device.trials.measured = ()
    device.order(bench_of(releases))
    for _ in range(10):
        device.benches.step()
    assert device.told() == []

    device.now = 61.0
    device.settle()

    assert (device.told()[0].outcome, device.told()[0].reason) == (FAILED, "it was not measured within 60 s")


def test_a_blob_with_other_bytes_is_given_up(device, releases):
    offer = bench_of(releases)
    model = next(file for file in offer[1].files if file.name == "model.onnx")
    releases.shelf.blobs[model.sha256] = b"x" * model.size_bytes

    device.order(offer).settle()

    assert device.told()[0].outcome is FAILED
    assert "other bytes" in device.told()[0].reason
    assert (device.trials.started, device.left()) == (0, [])


def test_memory_that_is_short_makes_a_bench_wait(device, releases):
    device.available_bytes = 10
    device.order(bench_of(releases))
    with pytest.raises(Later, match="waits for"):
        device.settle()

    device.available_bytes = 10**9
    device.settle()

    assert device.told()[0].outcome is DONE


def test_a_bench_waits_for_the_hours_in_which_it_may_disturb(device, releases):
    device.leave = Leave(is_given=False, reason="switching models waits for its window", wait_s=3600.0)
    device.order(bench_of(releases))

    with pytest.raises(Later) as caught:
        device.settle()

    assert caught.value.wait_s == 600.0
    assert device.trials.started == 0


def test_a_full_disk_only_puts_a_bench_off(device, releases, monkeypatch):
    device.order(bench_of(releases))
    with monkeypatch.context() as full:
        full.setattr("edgewright.agent.disk.durable.write_all", _no_room)
        with pytest.raises(OSError, match="No space"):
            device.settle()

    device.settle()

    assert [report.outcome for report in device.told()] == [DONE]


def test_what_the_hub_no_longer_asks_for_is_left(device, releases):
    device.trials.measured = ()
    device.order(bench_of(releases))
    for _ in range(10):
        device.benches.step()

    device.order().settle()

    assert (device.told(), device.left()) == ([], [])


def test_what_has_expired_is_not_begun(device, releases):
    device.now = 7200.0

    device.order(bench_of(releases)).settle()

    assert (device.told(), releases.shelf.asked) == ([], [])


def test_a_device_that_goes_down_while_it_measures_tries_three_times(tmp_path, releases):
    offer = bench_of(releases)
    for _ in range(3):
        device = Bencher(tmp_path / "agent", releases.shelf)
        device.trials.measured = ()
        device.order(offer)
        while not device.trials.started:
            device.benches.step()

    device = Bencher(tmp_path / "agent", releases.shelf).order(offer).settle()

    assert (device.trials.started, device.told()[0].reason) == (0, "3 starts did not finish it")


def test_a_stop_in_the_middle_costs_no_try(device, releases):
    device.trials.measured = ()
    device.order(bench_of(releases))
    while not device.trials.started:
        device.benches.step()

    device.benches.stop()

    current = book.load(device.root / "benches").current
    assert current is not None
    assert current.candidate.tries_left == 3


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.e2e)])
def test_a_cut_of_the_power_at_any_point_leaves_one_report_and_no_files(tmp_path, releases, every):
    root, offer = tmp_path / "agent", bench_of(releases)
    with Power(root) as power:
        Bencher(root, releases.shelf).order(offer).settle()
    assert power.count > 20
    for cut_at in range(0, power.count, every):
        shutil.rmtree(root)
        with pytest.raises(PowerCut), Power(root, cut_at):
            Bencher(root, releases.shelf).order(offer).settle()

        device = Bencher(root, releases.shelf).order(offer).settle()

        assert {report.id: report.outcome for report in bench_reports(root)} == {"bench:b1": DONE}, cut_at
        assert device.left() == [], cut_at


@pytest.mark.parametrize("draws", [8, pytest.param(300, marks=pytest.mark.e2e)])
def test_a_disk_that_has_lost_what_was_not_synced_measures_again_at_most(tmp_path, releases, draws):
    root, offer = tmp_path / "agent", bench_of(releases)
    Device(root, releases.shelf).take(releases.install(1))
    before, chance = contents(root), random.Random(1)
    with Recorder(root) as recorder:
        Bencher(root, releases.shelf).order(offer).settle()
    folders = [str(path) for path in root.rglob("*") if path.is_dir()]
    for _ in range(draws):
        cut = chance.randrange(len(recorder.operations) + 1)
        shutil.rmtree(root)
        lay_out(root, disks(recorder.operations, before, cut, chance), iter(folders))

        device = Bencher(root, releases.shelf).order(offer).settle()

        assert {report.id: report.outcome for report in bench_reports(root)} == {"bench:b1": DONE}, cut
        assert device.left() == [], cut
        assert serving_counter(root) == 1, cut


def test_a_hub_hears_of_a_bench_and_an_install_comes_first(tmp_path, hub):
    agent = Agent(tmp_path / "agent", hub)
    hub.release(1)
    bench, _, _ = bench_of(hub.releases, 1, request="b7")
    hub.benches = (bench,)

    agent.work(for_s=60.0)

    kinds = [type(record).__name__ for record in hub.records]
    assert kinds == ["InstallReport", "BenchReport"]
    assert agent.trials.started == 2
    assert serving_counter(agent.root) == 1


def test_an_install_takes_the_place_of_what_is_measured(tmp_path, hub):
    agent = Agent(tmp_path / "agent", hub)
    hub.release(1)
    agent.work(for_s=40.0)
    agent.trials.measured = ()  # it never ends
    hub.release(2)
    hub.installs = ()
    hub.benches = (bench_of(hub.releases, 2)[0],)
    agent.work(for_s=40.0)

    hub.release(2)
    agent.work(for_s=120.0)

    told = [record.outcome for record in hub.records if isinstance(record, InstallReport)]
    assert told == ["committed", "committed"]
    assert serving_counter(agent.root) == 2


def test_what_no_release_role_vouches_for_is_refused(tmp_path, hub):
    agent = Agent(tmp_path / "agent", hub)
    hub.release(1)
    agent.work(for_s=40.0)
    hub.benches = (bench_of(hub.releases, 2)[0],)  # never signed

    agent.work(for_s=200.0)

    assert hub.records[-1].outcome is REFUSED
    assert agent.trials.started == 1


def _no_room(fd, data):
    raise OSError(28, "No space left on device")
