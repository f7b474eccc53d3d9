"""Real packages measured in real processes: figures where all is well, a reason where it is not."""

from __future__ import annotations

import select
import time
from pathlib import Path

import pytest
from misbehaving import install, see_faulty_runtime
from on_disk import ModelOnDisk, Trained

from edgewright.agent.system.conditions import available_bytes, conditions
from edgewright.agent.trial import BenchResult, TrialWorkers
from edgewright.agent.trial.bench import measure
from edgewright.contract import manifest as manifests


def measured(device: ModelOnDisk, slot: str, *, patience_s: float = 30.0):
    """The line of a bench of what lies in a slot, or how its worker ended."""
    place = device.slot(slot)
    trial = TrialWorkers().measure(place, manifests.digest((place / "manifest.json").read_bytes()), calls=200)
    deadline = time.monotonic() + patience_s
    try:
        while time.monotonic() < deadline:
            if lines := trial.lines():
                return lines[0]
            if ending := trial.ending():
                return ending
            select.select(trial.waits_on(), [], [], 1.0)
        return "it did not finish in time"
    finally:
        trial.kill()


def test_a_package_is_timed_on_the_runtime_that_serves_it(device: ModelOnDisk, good: Trained):
    device.pack("a", good)

    found = measured(device, "a")

    assert isinstance(found, BenchResult)
    assert (found.ok, found.reason, found.calls) == (True, "", 200)
    assert 0 < found.latency_p50_ms <= found.latency_p95_ms <= found.latency_p99_ms
    assert found.memory_bytes > 20 * 2**20
    assert found.load_s > 0
    assert (found.runtime, found.provider) == ("onnxruntime", "CPUExecutionProvider")
    assert found.golden is not None
    assert found.golden.passed


def test_another_manifest_than_the_verified_one_is_not_loaded(device: ModelOnDisk, good: Trained):
    device.pack("a", good)

    found = measure(device.slot("a"), "0" * 64, calls=10, time_s=1.0)

    assert not found.ok
    assert "another manifest" in found.reason


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("fault", "request_number", "reason"),
    [
        ("segfault", -1, "the worker was killed by SIGSEGV"),
        ("segfault", 100, "the worker was killed by SIGSEGV"),
        ("exit", 0, "the worker ended with code 3"),
        ("hang", 20, "it did not finish in time"),
        ("nan", 0, "not finite"),
        ("wrong", 0, "times the tolerance"),
    ],
)
def test_a_model_that_misbehaves_gets_no_figures(device: ModelOnDisk, monkeypatch, fault, request_number, reason):
    see_faulty_runtime(monkeypatch)
    install(device, "b", 2, fault, request_number)

    found = measured(device, "b", patience_s=8.0)

    assert reason in (found.reason if isinstance(found, BenchResult) else found)
    assert not (isinstance(found, BenchResult) and found.ok)


def test_what_the_machine_tells_of_itself_is_read(tmp_path: Path):
    _write(tmp_path / "class/thermal/thermal_zone0/temp", "48500\n")
    _write(tmp_path / "class/thermal/thermal_zone1/temp", "-274000\n")
    _write(tmp_path / "class/power_supply/BAT0/type", "Battery\n")
    _write(tmp_path / "class/power_supply/BAT0/status", "Discharging\n")
    _write(tmp_path / "class/power_supply/BAT0/capacity", "87\n")

    found = conditions(tmp_path)

    assert (found.temperature_c, found.is_on_battery, found.battery_percent) == (48.5, True, 87)


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path):
    found = conditions(tmp_path)

    assert (found.temperature_c, found.is_on_battery, found.battery_percent) == (None, None, None)
    assert available_bytes(tmp_path) is None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
