"""Runs of hubs that share a PostgreSQL: woken and cancelled from afar, handed on, and never saved by two."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgewright.contract.api import RunState
from edgewright.hub.db import Database
from edgewright.hub.jobs import Jobs
from scenes import durable
from scenes.desk import until

pytestmark = pytest.mark.e2e

Other = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def other(tmp_path, shared_database) -> Iterator[Other]:
    """Starts another hub's process, which begins a run of a kind."""
    started = []

    def start(kind: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, durable.__file__, str(tmp_path), shared_database, kind]
        started.append(subprocess.Popen(words))
        return started[-1]

    db = Database(shared_database)
    db.migrate()
    db.close()
    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def join(tmp_path, shared_database) -> Iterator[Callable[[str], Jobs]]:
    """Makes this process a hub too."""
    joined: list[durable.Work] = []

    def make(kind: str) -> Jobs:
        joined.append(durable.work(tmp_path, shared_database, kind))
        return joined[-1].jobs

    yield make
    for work in joined:
        work.close()


def said(folder: Path) -> list[str]:
    done = folder / "done"
    return done.read_text().split() if done.exists() else []


def test_a_run_at_another_hub_is_woken(tmp_path, other, join):
    other("wait")
    until(lambda: said(tmp_path) == ["waiting"], "the other hub's run waits")
    jobs = join("wait")

    jobs.wake(durable.RUN)

    until(lambda: jobs.state(durable.RUN).is_ended, "the run has ended")
    assert jobs.get(durable.RUN).result == {"woken": True}
    assert said(tmp_path) == ["waiting"]


def test_a_run_at_another_hub_is_cancelled(tmp_path, other, join):
    other("train")
    until(lambda: said(tmp_path) == ["first", "second"], "the other hub's run is in its second step")
    jobs = join("train")

    jobs.cancel(durable.RUN)
    (tmp_path / "gate").touch()

    assert jobs.get(durable.RUN).state is RunState.CANCELLED
    assert said(tmp_path) == ["first", "second"]


def test_a_wake_outlives_the_hub_that_was_to_hear_it(tmp_path, other, join):
    hub = other("wait")
    until(lambda: said(tmp_path) == ["waiting"], "the other hub's run waits")
    hub.send_signal(signal.SIGSTOP)
    jobs = join("wait")

    jobs.wake(durable.RUN)
    hub.kill()

    until(lambda: jobs.state(durable.RUN).is_ended, "the run has ended")
    assert jobs.get(durable.RUN).result == {"woken": True}


def test_a_hub_that_stood_still_saves_nothing_of_a_run_that_was_handed_on_and_ends(tmp_path, other, join):
    hub = other("train")
    until(lambda: said(tmp_path) == ["first", "second"], "the other hub's run is in its second step")
    hub.send_signal(signal.SIGSTOP)
    jobs = join("train")

    until(lambda: said(tmp_path)[2:] == ["second"], "the run goes on here")
    hub.send_signal(signal.SIGCONT)
    until(lambda: "lost" in said(tmp_path), "the other hub knows that it was taken for dead")
    (tmp_path / "gate").touch()

    until(lambda: jobs.state(durable.RUN).is_ended, "the run has ended")
    assert hub.wait() == 1
    assert jobs.get(durable.RUN).result == {"first": 1, "second": 3}
    assert said(tmp_path) == ["first", "second", "second", "lost"]
