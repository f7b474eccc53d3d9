"""The soak of a candidate, in its real worker: what the golden requests do not show, two thousand more do."""

from __future__ import annotations

import select
import time
from pathlib import Path

import pytest
from misbehaving import install, see_faulty_runtime
from on_disk import ModelOnDisk

from edgewright.agent.system.cgroup import Groups
from edgewright.agent.trial import TrialResult, TrialWorkers
from edgewright.agent.trial.soak import LEAK_BYTES, Soaked, judge
from edgewright.contract.manifest import Budgets

ROOMY = Budgets(latency_p95_ms=1000.0, memory_bytes=2**33)


@pytest.fixture(autouse=True)
def faulty_runtime(monkeypatch):
    see_faulty_runtime(monkeypatch)


def outcome(device: ModelOnDisk, fault: str, request: int, **options: int) -> str:
    """Why the candidate fails, '' if it does not, as the supervisor hears it."""
    install(device, "b", 2, fault, request)
    trial = TrialWorkers(**options).start(device.slot("b"), None, None, Path())
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            select.select(trial.waits_on(), [], [], 1.0)
            ending, lines = trial.ending(), trial.lines()
            if lines:
                assert isinstance(lines[0], TrialResult)
                return lines[0].reason
            if ending:
                return ending
    finally:
        trial.kill()
    raise AssertionError("no end")


def test_a_healthy_candidate_passes(device: ModelOnDisk) -> None:
    assert outcome(device, "none", 0) == ""


def test_a_crash_at_the_thousandth_request_is_found(device: ModelOnDisk) -> None:
    assert outcome(device, "segfault", 1000) == "the worker was killed by SIGSEGV"


@pytest.mark.parametrize(
    ("fault", "request_number", "why"),
    [
        ("nan", 40, "soak: probabilities holds values that are not finite in the answer to request "),
        ("slow", 20, "latency p95 is "),
        ("leak", 56, "soak: memory grew by "),
    ],
)
def test_what_begins_late_is_found(device: ModelOnDisk, fault: str, request_number: int, why: str) -> None:
    assert why in outcome(device, fault, request_number, soak_requests=50)


@pytest.mark.parametrize(
    ("grown_bytes", "passes"), [(0, True), (-5_000_000, True), (LEAK_BYTES, True), (LEAK_BYTES + 1, False)]
)
def test_a_leak_is_growth_beyond_what_pools_take(grown_bytes: int, passes: bool) -> None:
    soaked = Soaked(2000, 1.0, 2.0, 3.0, grown_bytes, 1500)

    assert (judge(soaked, ROOMY, 1) == "") is passes


def test_every_reason_is_a_sentence_with_its_figures() -> None:
    soaked = Soaked(2000, 1.0, 20.0, 30.0, 48 * 1024 * 1024, 1536, "score holds values that are not finite in ...")

    reasons = judge(soaked, Budgets(latency_p95_ms=10.0, memory_bytes=1000), 2000).split("; ")

    assert reasons == [
        "soak: score holds values that are not finite in ...",
        "latency p95 is 20 ms, the budget 10 ms",
        "peak memory is 2000 bytes, the budget 1000 bytes",
        "soak: memory grew by 48 MiB in 1536 requests (32 KiB each), 16 MiB may be",
    ]


def test_where_there_are_control_groups_a_trial_has_one(device: ModelOnDisk, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    group = tree / "trial-digits"
    group.mkdir(parents=True)
    for path in (tree / "cgroup.controllers", tree / "cgroup.subtree_control"):
        path.write_text("memory pids")
    for name in ("cgroup.procs", "memory.max"):
        (group / name).touch()
    install(device, "b", 2)

    trial = TrialWorkers(groups=Groups(tree)).start(device.slot("b"), None, None, Path())
    (group / "memory.events").write_text("oom 1\noom_kill 1\n")
    trial.kill()

    assert int((group / "cgroup.procs").read_text()) > 0
    assert int((group / "memory.max").read_text()) > 2**30
    assert trial.ending() == "the worker was killed for the memory that it took"
