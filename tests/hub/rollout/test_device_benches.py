"""Benches at the hub: who is asked, what they are asked, what their reports change, and the figures of it."""

from __future__ import annotations

import math

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import BenchDraft, MeasurementState, Place, ReleaseState, Role
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.order import Bench
from edgewright.contract.report import BenchOutcome, BenchReport, Conditions, GoldenResult, Outcome
from edgewright.hub.benches import Benches, DeviceFigures, NothingToMeasure
from edgewright.hub.govern import Principal
from edgewright.hub.packaging.table import package_file
from edgewright.hub.rollout import ReleaseNotReady

OFFERED, DONE = MeasurementState.OFFERED, MeasurementState.DONE
OPERATOR = Principal(name="olga", roles=(Role.OPERATOR,))


@pytest.fixture
def benches(world) -> Benches:
    return Benches(
        world.db,
        world.events,
        world.audit,
        world.clock,
        world.fleet,
        world.shelf,
        world.shelf,
        lambda size: "ab" * size,
    )


@pytest.fixture
def figures(world) -> DeviceFigures:
    return DeviceFigures(world.db)


def start(benches: Benches, *releases: str, **changes):
    return benches.start(OPERATOR, BenchDraft(releases=releases or ("digits/1",), **changes))


def ordered(benches: Benches, world, device: str) -> tuple[Bench, ...]:
    states = tuple(world.states.get(device, {}).values())
    return benches.orders_for(device, states, world.pace)


def report_of(bench: Bench, p50_ms: float = 2.0, **changes) -> BenchReport:
    facts = {
        "id": f"bench:{bench.request}",
        "at": 1.0,
        "request": bench.request,
        "model": bench.model,
        "counter": bench.counter,
        "manifest_sha256": bench.manifest_sha256,
        "outcome": BenchOutcome.DONE,
        "golden": GoldenResult(passed=True, max_error=1e-6, argmax_agreement=1.0),
        "latency_p50_ms": p50_ms,
        "latency_p95_ms": 2 * p50_ms,
        "latency_p99_ms": 3 * p50_ms,
        "memory_bytes": 50_000_000,
        "load_s": 0.2,
        "calls": 1000,
        "runtime": "onnxruntime",
        "runtime_version": "1.23.2",
        "provider": "CPUExecutionProvider",
        "before": Conditions(temperature_c=50.0),
    }
    return BenchReport(**{**facts, **changes})


def tell(benches: Benches, world, device: str, report: BenchReport) -> bool:
    with world.db.write() as connection:
        return benches.on_report(connection, device, report)


def model_file(world, model: str, counter: int) -> str:
    return world.shelf.manifests[world.shelf.package(model, counter)].files[0].sha256


def test_one_device_of_a_kind_is_asked_until_it_has_measured(world, benches):
    world.shelf.put("digits", 1)
    first, second = sorted(world.enrol(2))

    started = start(benches)
    (bench,) = ordered(benches, world, first)

    assert [one.device for one in started.measurements] == [first]
    assert (bench.request, bench.calls, bench.target_path) == ("bench-1-0-abababab", 1000, "digits/1/cpu")
    assert ordered(benches, world, second) == ()
    assert ordered(benches, world, first) == (bench,)
    assert benches.bench("bench-1").measurements[0].state is OFFERED
    assert tell(benches, world, first, report_of(bench))
    assert ordered(benches, world, first) == ()
    (measured,) = benches.bench("bench-1").measurements
    assert (measured.state, measured.latency_p99_ms, measured.runtime) == (DONE, 6.0, "onnxruntime 1.23.2")
    assert measured.before.temperature_c == 50.0


def test_the_same_report_twice_is_one(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches)
    (bench,) = ordered(benches, world, device)

    told = [tell(benches, world, device, report_of(bench)) for _ in range(2)]

    assert told == [True, False]


def test_a_report_of_another_device_or_another_package_changes_nothing(world, benches):
    world.shelf.put("digits", 1)
    first, second = sorted(world.enrol(2))
    start(benches)
    (bench,) = ordered(benches, world, first)

    assert not tell(benches, world, second, report_of(bench))
    assert not tell(benches, world, first, report_of(bench, manifest_sha256="0" * 64))
    assert benches.bench("bench-1").measurements[0].state is OFFERED


@pytest.mark.parametrize(
    "nonsense",
    [
        {"latency_p50_ms": math.nan},
        {"latency_p95_ms": -1.0},
        {"latency_p99_ms": math.inf},
        {"memory_bytes": 2**60},
        {"calls": 0},
        {"load_s": math.nan},
    ],
)
def test_figures_that_no_machine_can_have_measured_count_as_failed(world, benches, figures, nonsense):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches)
    (bench,) = ordered(benches, world, device)

    tell(benches, world, device, report_of(bench, **nonsense))

    assert benches.bench("bench-1").measurements[0].state is MeasurementState.FAILED
    assert figures.of(model_file(world, "digits", 1), "cpu") is None


def test_a_golden_result_that_is_no_number_breaks_no_list(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches)
    (bench,) = ordered(benches, world, device)
    golden = GoldenResult(passed=False, max_error=math.nan, argmax_agreement=0.0)

    tell(benches, world, device, report_of(bench, outcome=BenchOutcome.FAILED, reason="wrong", golden=golden))

    (measured,) = benches.benches()[0].measurements
    assert (measured.state, measured.reason, measured.golden) == (MeasurementState.FAILED, "wrong", None)


def test_a_device_that_is_away_too_long_is_waited_for_no_more(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches, ttl_s=60.0)
    (bench,) = ordered(benches, world, device)
    world.clock.now += 61.0

    assert ordered(benches, world, device) == ()
    record = benches.bench("bench-1")
    assert (record.is_over, record.measurements[0].state) == (True, MeasurementState.EXPIRED)
    assert tell(benches, world, device, report_of(bench))  # it was measured in time
    assert benches.bench("bench-1").measurements[0].state is DONE


def test_a_cancelled_bench_asks_nobody_and_takes_no_report(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches)
    (bench,) = ordered(benches, world, device)

    cancelled = benches.cancel(OPERATOR, "bench-1")

    assert cancelled.is_over
    assert ordered(benches, world, device) == ()
    assert not tell(benches, world, device, report_of(bench))


def test_a_dry_run_says_by_whom_and_asks_nobody(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)

    rehearsed = benches.start(OPERATOR, BenchDraft(releases=("digits/1",)), dry_run=True)

    assert [one.device for one in rehearsed.measurements] == [device]
    assert benches.benches() == []
    with pytest.raises(NotFound):
        benches.bench(rehearsed.id)


def test_only_signed_and_approved_releases_are_measured(world, benches):
    world.shelf.put("digits", 1, ReleaseState.DRAFT)
    world.enrol(1)

    with pytest.raises(ReleaseNotReady):
        start(benches)


def test_a_release_that_turns_out_bad_is_not_ordered_any_more(world, benches):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    start(benches)
    with world.db.write() as connection:
        world.shelf.mark_bad(connection, "digits", 1, "it burns")

    assert ordered(benches, world, device) == ()


def test_devices_that_cannot_are_left_out_with_a_reason(world, benches, manifest_of):
    arm = manifest_of("digits", 1, "arm", hardware=("aarch64",))
    world.shelf.put("digits", 1, cpu=manifest_of("digits", 1, "cpu"), arm=arm)
    (device,) = world.enrol(1)

    record = start(benches)

    assert [one.target for one in record.measurements] == ["cpu"]
    assert record.skipped == {"arm, digits/1": "no device is of this kind"}
    with pytest.raises(NothingToMeasure, match="needs aarch64"):
        start(benches, devices=(device,), targets=("arm",))
    with pytest.raises(InvalidInput, match="no target 'gpu'"):
        start(benches, targets=("gpu",))


def test_a_device_is_not_asked_to_go_back_to_an_older_release(world, benches):
    world.shelf.put("digits", 1)
    world.shelf.put("digits", 2)
    (device,) = world.enrol(1)
    world.run(device, "digits", 2)
    world.check_in(device)

    with pytest.raises(NothingToMeasure, match="runs a newer release, digits/2"):
        start(benches, devices=(device,))


def test_the_figures_of_a_variant_are_the_median_of_its_devices(world, benches, figures):
    world.shelf.put("digits", 1)
    devices = world.enrol(3)
    start(benches, per_target=3)
    for device, p50_ms in zip(devices, (1.0, 2.0, 9.0), strict=True):
        tell(benches, world, device, report_of(ordered(benches, world, device)[0], p50_ms))

    timing, memory = figures.of(model_file(world, "digits", 1), "cpu")

    assert (timing.p50_ms, timing.p95_ms, timing.p99_ms) == (2.0, 4.0, 6.0)
    assert (timing.place, memory.place, memory.peak_bytes) == (Place.DEVICE, Place.DEVICE, 50_000_000)
    assert timing.where.endswith("and 1 more (cpu), onnxruntime 1.23.2")
    assert figures.of(model_file(world, "digits", 1), "gpu") is None


def test_installs_tell_figures_too_and_benches_come_first(world, benches, figures):
    world.shelf.put("digits", 1)
    (device,) = world.enrol(1)
    world.group()
    world.tick(world.start("digits/1", waves=(1,)).id, 1)
    installs, _ = world.check_in(device)
    told = world.result(installs[0], Outcome.COMMITTED)
    world.report(msgspec.structs.replace(told, latency_p50_ms=5.0, latency_p95_ms=7.0, memory_bytes=9), device)
    sha256 = world.shelf.manifests[installs[0].manifest_sha256].files[0].sha256
    _keep_files(world, installs[0].manifest_sha256)
    by_install = figures.of(sha256, "cpu")
    start(benches)
    tell(benches, world, device, report_of(ordered(benches, world, device)[0]))

    by_bench = figures.of(sha256, "cpu")

    assert (by_install[0].p50_ms, by_install[0].p99_ms, by_install[1].peak_bytes) == (5.0, 7.0, 9)
    assert (by_bench[0].p50_ms, by_bench[1].peak_bytes) == (2.0, 50_000_000)


def _keep_files(world, manifest_sha256: str) -> None:
    """As the packaging room does when it builds a release."""
    manifest = world.shelf.manifests[manifest_sha256]
    rows = [
        {"manifest_sha256": manifest_sha256, "model": manifest.model, **msgspec.structs.asdict(file)}
        for file in manifest.files
    ]
    with world.db.write() as connection:
        connection.execute(sa.insert(package_file), rows)
