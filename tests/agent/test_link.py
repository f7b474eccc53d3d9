"""The way to the hub: rates, waits, and real deltas in a process of their own."""

from __future__ import annotations

import sys
from http.client import HTTPMessage

import msgspec
import numpy as np
import pytest

from edgewright.agent.link import Throttle, TurnedAway
from edgewright.agent.link.line import raise_for_hub
from edgewright.agent.link.schedule import Chance, Schedule
from edgewright.agent.system import start_bound
from edgewright.contract.delta.maker import make
from edgewright.contract.errors import ErrorBody, ErrorReply, HostileInput
from scenes.patching import apply_delta


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout_s: float) -> bool:
        self.now += timeout_s
        return False


def test_a_throttle_lets_no_more_than_its_rate_pass():
    time = Time()
    throttle = Throttle(1000.0, time, time.wait)

    for _ in range(50):
        throttle.take(throttle.chunk_bytes)

    assert time.now == pytest.approx(50 * throttle.chunk_bytes / 1000.0)


def test_a_long_pause_earns_at_most_a_second_of_haste():
    time = Time()
    throttle = Throttle(1000.0, time, time.wait)
    time.now = 3600.0

    throttle.take(3000)

    assert time.now == pytest.approx(3602.0)


def test_waits_grow_with_failures_up_to_a_bound_and_shrink_with_success():
    time = Time()
    schedule = Schedule(time, Chance(uniform=lambda low, high: high), max_back_off_s=60.0)
    waits = []
    for _ in range(8):
        schedule.fail()
        waits.append(schedule.remaining_s())

    schedule.succeed(10.0)

    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert schedule.remaining_s() == pytest.approx(12.0)


def test_a_delta_is_applied_in_a_process_of_its_own(tmp_path):
    old, new = np.arange(4000, dtype=np.float32), np.arange(4000, dtype=np.float32) * 1.001
    (tmp_path / "old").write_bytes(old.tobytes())
    (tmp_path / "new").write_bytes(new.tobytes())
    make(tmp_path / "old", tmp_path / "new", tmp_path / "delta")

    apply_delta(tmp_path / "old", tmp_path / "delta", tmp_path / "out", 16_000)

    assert (tmp_path / "out").read_bytes() == new.tobytes()
    with pytest.raises(HostileInput):
        apply_delta(tmp_path / "new", tmp_path / "delta", tmp_path / "other", 16_000)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "deed", ["open('out', 'wb').write(bytes(100_000))", "bytearray(400_000_000)"], ids=["file", "memory"]
)
def test_a_process_takes_no_more_than_it_was_given(tmp_path, monkeypatch, deed):
    monkeypatch.chdir(tmp_path)

    process = start_bound([sys.executable, "-S", "-c", deed], file_bytes=1000, memory_bytes=300_000_000)

    assert process.wait() == 1
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size <= 1000


def test_a_process_that_was_started_runs_and_is_heard():
    process = start_bound(["echo", "hello"])

    assert process.communicate()[0] == b"hello\n"


@pytest.mark.parametrize(
    ("said", "shortest_s", "longest_s"), [("", 300.0, 600.0), ("30", 30.0, 60.0), ("86400", 3600.0, 7200.0)]
)
def test_a_device_that_is_turned_away_asks_again_when_the_hub_says_or_after_the_longest_wait(
    said, shortest_s, longest_s
):
    headers = HTTPMessage()
    headers["Retry-After"] = said
    body = msgspec.json.encode(ErrorReply(ErrorBody(code="device_quarantined", message="no")))
    with pytest.raises(TurnedAway) as refusal:
        raise_for_hub(403, body, headers)

    waits = []
    for draw in (lambda low, high: low, lambda low, high: high):
        schedule = Schedule(Time(), Chance(uniform=draw), max_back_off_s=600.0)
        schedule.give_up(refusal.value)
        waits.append(schedule.remaining_s())

    assert waits == [shortest_s, longest_s]
    assert refusal.value.reason_code == "device_quarantined"
    assert "in quarantine" in refusal.value.in_words
