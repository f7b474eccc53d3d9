"""Models that misbehave in their trial, in real processes: each is found out, with a reason, and harms nobody else."""

from __future__ import annotations

import select
import time

import pytest
from misbehaving import install, see_faulty_runtime
from on_disk import ModelOnDisk

from edgewright.agent.trial import TrialWorkers
from edgewright.agent.trial.lines import TrialResult

pytestmark = pytest.mark.e2e
PATIENCE_S = 8.0


def verdict(device: ModelOnDisk, fault: str, request: int) -> str:
    """Why the trial of a model that misbehaves from that request on was failed; '' where it passed."""
    install(device, "b", 2, fault, request)
    trial = TrialWorkers(soak_requests=1500, soak_s=3.0, cpu_s=15).start(
        device.slot("b"), None, None, device.root / "run" / "digits.shadow"
    )
    deadline = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            for line in trial.lines():
                assert isinstance(line, TrialResult)
                return "" if line.ok else line.reason
            if ending := trial.ending():
                return ending
            select.select(trial.waits_on(), [], [], 1.0)
        return "it did not finish in time"
    finally:
        trial.kill()


@pytest.mark.parametrize(
    ("fault", "request_number", "reason"),
    [
        ("none", 0, ""),
        ("segfault", -1, "the worker was killed by SIGSEGV"),
        ("segfault", 0, "the worker was killed by SIGSEGV"),
        ("segfault", 1000, "the worker was killed by SIGSEGV"),
        ("exit", 0, "the worker ended with code 3"),
        ("leak", 20, "memory"),
        ("hang", 20, "it did not finish in time"),  # which the supervisor's clock ends
        ("slow", 0, "latency p95 is"),
        ("nan", 0, "640 values are not finite"),
        ("wrong", 0, "times the tolerance"),
    ],
)
def test_a_model_that_misbehaves_fails_its_trial(device: ModelOnDisk, monkeypatch, fault, request_number, reason):
    see_faulty_runtime(monkeypatch)

    found = verdict(device, fault, request_number)

    assert reason in found
    assert bool(found) == bool(reason)
