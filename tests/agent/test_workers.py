"""Serving workers in real processes: started on demand, replaced without loss, and never the supervisor's end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from misbehaving import Keeping, install, see_faulty_runtime
from on_disk import ModelOnDisk

from edgewright.contract.errors import NotFound

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
WARM_UP = 6  # requests that a worker makes itself


@pytest.fixture(autouse=True)
def _faulty(monkeypatch):
    see_faulty_runtime(monkeypatch)


def vitals_of(root: Path) -> list[Path]:
    return [path for path in (root / "run" / "vitals").iterdir() if path.name.startswith("digits")]


def test_a_worker_is_started_by_the_first_request_and_answers_it(device: ModelOnDisk):
    active = install(device, "a", 1)
    with Keeping(device.root) as keeping:
        keeping.follow("digits", active)
        before = keeping.wait_for_phase("idle")

        answer = keeping.infer()

        after = keeping.wait_for_phase("ready")
        assert (before.pid, answer.status) == (0, 200), answer.body
        assert (after.version, after.pid > 0) == (1, True)


def test_a_model_that_is_always_served_waits_for_no_request(device: ModelOnDisk):
    with Keeping(device.root, always=("digits",)) as keeping:
        keeping.follow("digits", install(device, "a", 1))

        assert keeping.wait_for_phase("ready").rss_bytes > 20 * MIB


def test_a_worker_that_nobody_asks_ends_and_the_next_request_starts_another(device: ModelOnDisk):
    with Keeping(device.root, idle_unload_s=0.5) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.infer()
        first = keeping.wait_for_phase("ready")
        keeping.wait_for(lambda: not vitals_of(device.root))

        answer = keeping.infer()

        assert answer.status == 200
        assert keeping.wait_for_phase("ready").pid != first.pid
        assert keeping.crashes() == []


def test_people_load_and_unload_a_model(device: ModelOnDisk):
    with Keeping(device.root) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.wait_for_phase("idle")

        keeping.workers.load("digits")
        loaded = keeping.wait_for_phase("ready")
        keeping.workers.unload("digits")
        keeping.wait_for_phase("idle")

        assert loaded.version == 1
        with pytest.raises(NotFound, match="there are: digits"):
            keeping.workers.load("wine")


def test_nothing_turns_while_no_worker_runs(device: ModelOnDisk):
    with Keeping(device.root) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.wait_for_phase("idle")
        time.sleep(0.3)
        turns = keeping.turns

        time.sleep(1.5)

        assert keeping.turns == turns


def test_the_socket_has_the_mode_of_the_settings_and_outlives_workers(device: ModelOnDisk):
    with Keeping(device.root, socket_mode="600", socket_group="root") as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.wait_for_phase("idle")
        path = device.root / "run" / "digits.sock"
        before = path.stat()
        keeping.infer()
        os.kill(keeping.wait_for_phase("ready").pid, signal.SIGKILL)

        answer = keeping.infer()

        assert stat.S_IMODE(before.st_mode) == 0o600
        assert (answer.status, path.stat().st_ino) == (200, before.st_ino)
    assert not path.exists()


def test_a_model_with_the_longest_of_names_has_a_socket(tmp_path):
    device = ModelOnDisk(tmp_path / ("deep" * 20), "m" * 100)
    with Keeping(device.root) as keeping:
        keeping.follow(device.name, install(device, "a", 1))
        keeping.wait_for((device.root / "run" / f"{device.name}.sock").exists)

        folder = os.open(device.root / "run", os.O_RDONLY)
        link = Path(f"/proc/self/fd/{folder}/short")
        link.symlink_to(f"{device.name}.sock")
        from serving import Client

        answer = Client(link).ask("GET", f"/v2/models/{device.name}/ready")

        assert answer.status == 200
        os.close(folder)


def ask_all_the_time(keeping: Keeping, is_over: threading.Event, statuses: list[int]) -> None:
    client = keeping.client()
    while not is_over.is_set():
        answer = client.ask("POST", "/v2/models/digits/infer", b'{"inputs":[%s]}' % ONE)
        statuses.append(answer.status)
        if answer.headers.get("connection") == "close":
            client.close()
    client.close()


def ask_until(keeping: Keeping, holds: Callable[[], object]) -> None:
    """Ask again and again, whatever comes of it."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, keeping.workers.states()
        with contextlib.suppress(OSError, http.client.HTTPException):
            keeping.infer()


ONE = b'{"name":"image","shape":[1,64],"datatype":"FP32","data":[%s]}' % b",".join([b"0.5"] * 64)


@pytest.mark.parametrize("is_short", [False, True], ids=["memory for two", "memory for one"])
def test_a_swap_loses_no_request(device: ModelOnDisk, is_short: bool):
    old = install(device, "a", 1)
    budget = 300 * MIB if is_short else 0
    with Keeping(device.root, memory_max_bytes=budget) as keeping:
        keeping.follow("digits", old)
        keeping.infer()
        keeping.wait_for_phase("ready")
        is_over, statuses = threading.Event(), []
        asking = [threading.Thread(target=ask_all_the_time, args=(keeping, is_over, statuses)) for _ in range(3)]
        for thread in asking:
            thread.start()

        keeping.follow("digits", install(device, "b", 2), old)
        keeping.wait_for(lambda: keeping.state().version == 2 and keeping.state().phase == "ready")
        keeping.wait_for(lambda: len(vitals_of(device.root)) == 1)

        is_over.set()
        for thread in asking:
            thread.join()
        assert len(statuses) > 10
        assert set(statuses) == {200}
        assert keeping.crashes() == []


def test_a_successor_that_does_not_load_leaves_the_old_worker_alone(device: ModelOnDisk):
    old = install(device, "a", 1)
    with Keeping(device.root) as keeping:
        keeping.follow("digits", old)
        keeping.infer()
        first = keeping.wait_for_phase("ready")

        keeping.follow("digits", install(device, "b", 2, "segfault", request=-1), old)
        keeping.wait_for(lambda: len(keeping.crashes()) == 3)
        keeping.wait_for(lambda: keeping.state().phase == "ready" and keeping.state().is_standing_in)

        state = keeping.state()
        assert (state.pid, state.version, keeping.infer().status) == (first.pid, 1, 200)
        assert {crash.manifest_sha256 for crash in keeping.found} != {old.manifest_sha256}
        assert all("SIGSEGV" in crash.reason for crash in keeping.found)


@pytest.mark.parametrize(
    ("fault", "request_number", "reason"),
    [
        ("segfault", -1, "the worker was killed by SIGSEGV while it was at work"),
        ("segfault", WARM_UP, "the worker was killed by SIGSEGV while it was at work"),
        ("exit", 20, "the worker ended with code 3"),
    ],
)
def test_after_three_crashes_the_spare_stands_in(device: ModelOnDisk, fault, request_number, reason):
    spare = install(device, "b", 1)
    active = install(device, "a", 2, fault, request_number)
    with Keeping(device.root) as keeping:
        keeping.follow("digits", active, spare)
        ask_until(keeping, lambda: len(keeping.crashes()) == 3)

        answer = keeping.infer()

        state = keeping.wait_for_phase("ready")
        assert (answer.status, state.version, state.is_standing_in) == (200, 1, True)
        assert {(crash.manifest_sha256, crash.model) for crash in keeping.found} == {(active.manifest_sha256, "digits")}
        assert all(reason in crash.reason for crash in keeping.found), keeping.found


@pytest.mark.parametrize(
    ("fault", "settings", "reason"),
    [
        ("leak", {}, "MiB of memory, its limit is"),
        ("hang", {"request_timeout_s": 1.0}, "the worker hangs: a request is unanswered after"),
    ],
)
def test_a_worker_that_leaks_or_hangs_is_killed_and_replaced(device: ModelOnDisk, fault, settings, reason):
    with Keeping(device.root, **settings) as keeping:
        keeping.follow("digits", install(device, "a", 1, fault, WARM_UP + 3))
        ask_until(keeping, keeping.crashes)

        answer = keeping.infer()

        assert answer.status == 200
        assert reason in keeping.found[0].reason


def test_a_worker_that_spins_without_a_request_is_killed(device: ModelOnDisk, monkeypatch):
    monkeypatch.setattr("edgewright.agent.workers.watch.SPIN_S", 3.0)
    monkeypatch.setattr("edgewright.agent.workers.watch.QUIET_S", 1.0)
    monkeypatch.setattr("edgewright.agent.workers.watch.SPIN_SHARE", 0.05)  # others use this machine too
    with Keeping(device.root) as keeping:
        keeping.follow("digits", install(device, "a", 1, "spin"))
        keeping.infer()

        keeping.wait_for(lambda: keeping.crashes())

        assert "the worker spins: it took" in keeping.found[0].reason


def test_that_people_end_a_worker_is_no_fault_of_its_model(device: ModelOnDisk):
    with Keeping(device.root) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        for number in (signal.SIGTERM, signal.SIGKILL):
            keeping.infer()
            state = keeping.wait_for_phase("ready")
            os.kill(state.pid, number)
            keeping.wait_for(lambda pid=state.pid: keeping.state().pid != pid)

        assert keeping.infer().status == 200
        assert keeping.crashes() == []


def test_a_caller_who_comes_while_the_worker_backs_off_is_told_when_to_come_again(device: ModelOnDisk):
    with Keeping(device.root, luck=1.0) as keeping:
        keeping.follow("digits", install(device, "a", 1, "segfault", request=-1))
        statuses = []
        deadline = time.monotonic() + 30
        while 503 not in statuses and time.monotonic() < deadline:
            statuses.append((answer := keeping.infer()).status)

        assert int(answer.headers["retry-after"]) >= 1
        assert "SIGSEGV" in answer.json()["error"]["message"]


def test_a_model_that_has_no_memory_is_refused_honestly_and_the_others_serve(device: ModelOnDisk):
    other = ModelOnDisk(device.root, "wine")
    with Keeping(device.root, memory_max_bytes=300 * MIB, always=("digits",)) as keeping:
        keeping.follow("digits", install(device, "a", 1), priority=1)
        keeping.wait_for_phase("ready")
        keeping.follow("wine", install(other, "a", 1, load_s=0.0))
        keeping.wait_for(lambda: keeping.state("wine") is not None)
        keeping.workers._memory._seen.clear()  # as if nothing had been seen to take less than it declares

        answer = keeping.infer("wine")

        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        keeping.wait_for(lambda: "it needs 256 MiB" in keeping.state("wine").reason)
        assert keeping.infer().status == 200


def test_an_idle_model_gives_way_to_one_that_is_called(device: ModelOnDisk, monkeypatch):
    monkeypatch.setattr("edgewright.agent.workers.child.ward.IN_USE_S", 0.2)
    other = ModelOnDisk(device.root, "wine")
    with Keeping(device.root, memory_max_bytes=260 * MIB) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.follow("wine", install(other, "a", 1))
        keeping.infer()
        keeping.wait_for_phase("ready")
        time.sleep(0.3)

        answer = keeping.infer("wine")

        assert answer.status == 200
        assert keeping.wait_for_phase("idle").pid == 0
        assert keeping.infer().status == 200


def test_a_model_that_is_followed_no_more_has_no_socket(device: ModelOnDisk):
    with Keeping(device.root) as keeping:
        keeping.follow("digits", install(device, "a", 1))
        keeping.infer()

        keeping.follow("digits", None)

        keeping.wait_for(lambda: not (device.root / "run" / "digits.sock").exists())
        keeping.wait_for(lambda: keeping.workers.states() == [])
        assert vitals_of(device.root) == []


def test_an_app_that_a_model_has_ended_is_a_crash_and_rings_the_bell(device: ModelOnDisk):
    crash = "import ctypes,sys;from pathlib import Path;from edgewright.agent.disk.vitals import Vitals;"
    crash += "v=Vitals.create(Path(sys.argv[1]),'digits','ab'*32);ctypes.string_at(0)"
    folder = str(device.root / "run" / "vitals")
    subprocess.run([sys.executable, "-c", crash, folder], stderr=subprocess.DEVNULL)

    with Keeping(device.root) as keeping:
        found = keeping.crashes()

        assert [(crash.model, crash.manifest_sha256) for crash in found] == [("digits", "ab" * 32)]
        assert os.eventfd_read(keeping.bell.fileno()) == 1


def test_a_socket_that_cannot_be_bound_yet_is_bound_later(device: ModelOnDisk, monkeypatch):
    monkeypatch.setattr("edgewright.agent.workers.service.BIND_AGAIN_S", 0.2)
    with Keeping(device.root) as keeping:
        (device.root / "run").rename(device.root / "elsewhere")
        (device.root / "run").write_text("in the way")
        keeping.follow("digits", install(device, "a", 1))
        keeping.wait_for(lambda: (state := keeping.state()) and "cannot be bound" in state.reason)

        (device.root / "run").unlink()

        assert keeping.infer().status == 200


def test_a_worker_serves_where_its_vitals_cannot_be_written(device: ModelOnDisk):
    with Keeping(device.root, idle_unload_s=0.1) as keeping:
        (device.root / "run" / "vitals").write_text("in the way")
        keeping.follow("digits", install(device, "a", 1))

        answer = keeping.infer()

        state = keeping.wait_for_phase("ready")
        time.sleep(0.5)
        assert (answer.status, keeping.state().pid) == (200, state.pid)
