"""Vitals: what a process was doing is known after it has ended, whichever way."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgewright.agent.disk.remains import FEW_REQUESTS, Dead, find_dead, judge
from edgewright.agent.disk.vitals import Reading, Vitals, parse, read_boot_id, read_vitals

SHA256 = "ab" * 32
BOOT = b"b" * 16

APP = """
import os, signal, sys, ctypes
from pathlib import Path
from edgewright.agent.disk.vitals import Vitals
vitals = Vitals.create(Path(sys.argv[1]), "digits", "ab" * 32)
other = None
for step in sys.argv[2:]:
    if step == "ready": vitals.ready()
    elif step == "begin": vitals.begin()
    elif step == "requests": [vitals.end(vitals.begin()) for _ in range(50)]
    elif step == "second": other = Vitals.create(Path(sys.argv[1]), "digits", "cd" * 32)
    elif step == "segfault": ctypes.string_at(0)
    elif step == "abort": os.abort()
    elif step == "kill": os.kill(os.getpid(), signal.SIGKILL)
    elif step == "term": os.kill(os.getpid(), signal.SIGTERM)
    elif step == "close": vitals.close()
    elif step == "fork": os.fork() or os.abort()
"""


def run_app(folder: Path, *steps: str, **variables: str) -> int:
    command = [sys.executable, "-c", APP, str(folder), *steps]
    return subprocess.run(command, stderr=subprocess.DEVNULL, env={**os.environ, **variables}).returncode


def reading(**changes) -> Reading:
    facts = {
        "model": "digits",
        "manifest_sha256": SHA256,
        "pid": 7,
        "is_worker": False,
        "is_loading": False,
        "requests": 1000,
        "in_flight_since_ns": 5,
        "ended_ns": 4,
        "is_strained": False,
        "boot_id": BOOT,
        "token": "t",
    }
    return Reading(**{**facts, **changes})


def test_a_file_tells_what_its_process_is_doing(tmp_path):
    vitals = Vitals.create_at(tmp_path / "v", "digits", SHA256)
    told = [read_vitals(tmp_path / "v")]

    vitals.ready()
    told.append(read_vitals(tmp_path / "v"))
    before = time.monotonic_ns()
    first, second = vitals.begin(), vitals.begin()
    told.append(read_vitals(tmp_path / "v"))
    vitals.end(first)
    vitals.end(second)
    told.append(read_vitals(tmp_path / "v"))

    assert [(at.is_loading, at.is_at_work, at.requests) for at in told] == [
        (True, True, 0),
        (False, False, 0),
        (False, True, 0),
        (False, False, 2),
    ]
    assert before <= told[3].ended_ns <= time.monotonic_ns()
    assert before <= told[2].in_flight_since_ns <= time.monotonic_ns()
    assert (told[0].model, told[0].manifest_sha256, told[0].pid) == ("digits", SHA256, os.getpid())
    assert (told[0].boot_id, told[0].is_worker) == (read_boot_id(), True)


def test_the_age_of_the_oldest_request_is_told_however_many_there_are(tmp_path):
    vitals = Vitals.create_at(tmp_path / "v", "digits", SHA256)
    vitals.ready()
    oldest = vitals.begin()
    since_ns = read_vitals(tmp_path / "v").in_flight_since_ns

    others = [vitals.begin() for _ in range(300)]

    assert read_vitals(tmp_path / "v").in_flight_since_ns == since_ns
    for place in (oldest, *others):
        vitals.end(place)
    assert not read_vitals(tmp_path / "v").is_at_work


def test_threads_leave_no_request_in_flight_behind(tmp_path):
    vitals = Vitals.create_at(tmp_path / "v", "digits", SHA256)
    vitals.ready()

    def work() -> None:
        for _ in range(2000):
            vitals.end(vitals.begin())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not read_vitals(tmp_path / "v").is_at_work
    assert read_vitals(tmp_path / "v").requests <= 16_000


def test_a_live_process_is_left_alone_and_a_closed_one_leaves_nothing(tmp_path):
    vitals = Vitals.create(tmp_path / "run", "digits", SHA256)

    dead = find_dead(tmp_path / "run", are_workers_gone=True)
    files = list((tmp_path / "run").glob("digits.*"))
    vitals.close()

    assert (dead, len(files)) == ([], 1)
    assert not list((tmp_path / "run").glob("digits.*"))


def test_where_no_file_can_be_made_nobody_is_bothered(tmp_path):
    (tmp_path / "run").write_text("not a folder")

    vitals = Vitals.create(tmp_path / "run" / "vitals", "digits", SHA256)

    vitals.ready()
    vitals.end(vitals.begin())
    vitals.close()
    assert find_dead(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("steps", "variables", "reason"),
    [
        (("segfault",), {}, "an app's process ended with Segmentation fault while it was loading it"),
        (("ready", "begin", "segfault"), {}, "ended with Segmentation fault while it used it, after 0 requests"),
        (("ready", "requests", "begin", "abort"), {}, "ended with Aborted while it used it, after 50 requests"),
        (("ready", "requests", "abort"), {}, ""),  # the model was not at work
        (("ready", "requests", "begin", "kill"), {}, ""),  # by people, as far as anybody can tell
        (("ready", "requests", "begin", "term"), {}, ""),
        (("kill",), {}, "ended unasked while it was loading it"),
        (("ready", "begin", "kill"), {}, "ended unasked while it used it, after 0 requests"),
        (("ready", "requests", "begin", "abort"), {"PYTHONFAULTHANDLER": "1"}, ""),  # the app's own handler took it
        (("ready", "begin", "close", "abort"), {}, ""),
    ],
)
def test_ends_of_apps(tmp_path, steps, variables, reason):
    run_app(tmp_path, *steps, **variables)

    dead = find_dead(tmp_path)

    assert [(found.model, found.manifest_sha256) for found in dead] == ([("digits", SHA256)] if reason else [])
    assert not reason or reason in dead[0].reason
    assert list(tmp_path.iterdir()) == []
    assert find_dead(tmp_path) == []


def test_the_package_that_was_loading_is_to_blame_and_not_the_one_beside_it(tmp_path):
    run_app(tmp_path, "ready", "begin", "second", "segfault")

    dead = find_dead(tmp_path)

    assert [found.manifest_sha256 for found in dead] == ["cd" * 32]


def test_a_forked_child_that_ends_badly_blames_nobody(tmp_path):
    code = run_app(tmp_path, "ready", "begin", "fork", "close")

    assert code == 0
    assert find_dead(tmp_path) == []


def test_a_child_does_not_hold_the_lock_of_its_parent(tmp_path):
    vitals = Vitals.create_at(tmp_path / "v", "digits", SHA256)
    context = multiprocessing.get_context("fork")
    hear, tell = context.Pipe(duplex=False)
    child = context.Process(target=lambda: (tell.send("here"), time.sleep(60)))
    child.start()
    try:
        hear.recv()
        vitals.forget()  # as if this process had gone

        find_dead(tmp_path, are_workers_gone=True)

        assert list(tmp_path.iterdir()) == []
    finally:
        child.kill()
        child.join()


def test_files_of_workers_are_left_to_their_supervisor_but_for_those_of_a_former_one(tmp_path):
    Vitals.create_at(tmp_path / "v", "digits", SHA256).forget()

    assert (find_dead(tmp_path), len(list(tmp_path.iterdir()))) == ([], 1)
    assert (find_dead(tmp_path, are_workers_gone=True), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("found", "texts", "counts"),
    [
        (reading(), {"t": "Fatal Python error: Bus error\n"}, True),
        (reading(), {"other": "Fatal Python error: Bus error\n"}, False),
        (reading(boot_id=b"x" * 16), {"t": "Fatal"}, False),  # the machine was started anew
        (reading(is_worker=True), {"t": "Fatal"}, False),
        (reading(in_flight_since_ns=0), {"t": "Fatal"}, False),
        (reading(requests=FEW_REQUESTS), {}, False),
        (reading(requests=FEW_REQUESTS - 1), {}, True),
        (reading(is_loading=True, in_flight_since_ns=0), {}, True),
    ],
)
def test_which_ends_count(found, texts, counts):
    dead = judge([found], texts, BOOT)

    assert [type(one) for one in dead] == ([Dead] if counts else [])


@pytest.mark.parametrize("data", [b"", b"x", bytes(1024), b"\xff" * 1024, b"\xff" * 5000])
def test_what_is_none_of_ours_says_nothing(tmp_path, data):
    (tmp_path / "odd").write_bytes(data)

    assert (parse(data[:1024]), read_vitals(tmp_path / "odd")) == (None, None)
    assert find_dead(tmp_path) == []


def test_links_and_pipes_in_the_folder_do_no_harm(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")

    assert find_dead(tmp_path) == []
    assert Path("/etc/passwd").exists()


def test_the_fault_handler_of_an_app_stays_the_apps(tmp_path):
    if not faulthandler.is_enabled():
        pytest.skip("pytest runs without its fault handler")

    before = signal.getsignal(signal.SIGTERM)

    Vitals.create(tmp_path, "digits", SHA256).close()

    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before
