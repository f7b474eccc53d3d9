"""Runs with the real worker under them: woken, cancelled, failed, and carried over a SIGKILL."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from edgewright.contract.api import RunState
from edgewright.contract.errors import Conflict, NotFound, Refused
from edgewright.hub.events import Events
from edgewright.hub.jobs import Jobs, run_table
from scenes import durable
from scenes.databases import database_url, new_database
from scenes.desk import until

PATIENCE_S = 20.0


class Bodies:
    """What the runs of these tests do, and what they have done."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.is_waiting = threading.Event()
        self.may_go_on = threading.Event()
        self.has_ended = threading.Event()

    def waits(self, context):
        self.is_waiting.set()
        return {"woken": context.wait(PATIENCE_S)}

    def waits_in_vain(self, context):
        return {"woken": context.wait(0.01)}

    def is_cancelled(self, context):
        try:
            context.step("first", self._hold)
            context.step("second", self.steps.append, "second")
        finally:
            self.has_ended.set()
        return {}

    def refuses(self, context):
        raise Refused("the rows do not fit", field="rows")

    def breaks(self, context):
        return {"never": 1 // 0}

    def counts(self, context):
        self.steps.append(context.id)
        return {"args": context.args}

    def holds(self, context):
        self.steps.append(context.id)
        self._hold()
        return {}

    def _hold(self):
        self.is_waiting.set()
        self.may_go_on.wait(PATIENCE_S)


class Stage:
    """One worker for all tests of this file, which takes a second to come and go; each test has bodies of its own."""

    def __init__(self, folder: Path) -> None:
        clock = itertools.count(1_000.0).__next__
        self.bodies = Bodies()
        self.db = new_database(folder)
        self.events = Events(self.db, clock)
        self.jobs = Jobs(self.db, self.events, clock)
        for name in ("waits", "waits_in_vain", "is_cancelled", "refuses", "breaks", "counts"):
            self.jobs.define(name, self._body(name), is_heavy=name == "counts")
        self.jobs.define("holds", self._body("holds"), at_once=1)
        self.jobs.launch(folder / "runs.sqlite")
        self.events.start()

    def _body(self, name):
        return lambda context: getattr(self.bodies, name)(context)

    def close(self) -> None:
        self.events.stop()
        self.jobs.shut_down()
        self.db.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


@pytest.fixture
def bodies(stage):
    stage.bodies = Bodies()
    return stage.bodies


@pytest.fixture
def db(stage):
    return stage.db


@pytest.fixture
def jobs(stage, bodies):
    with stage.db.write() as connection:
        connection.execute(sa.delete(run_table))
    return stage.jobs


def start(db, jobs, kind, args=None, id=""):
    with db.write() as connection:
        return jobs.start(connection, kind, "digits", args or {}, id=id)


def end_of(jobs, run):
    until(lambda: jobs.get(run).state.is_ended, f"{run} has ended", PATIENCE_S)
    return jobs.get(run)


def test_a_run_that_waits_goes_on_when_it_is_woken(db, jobs, bodies):
    run = start(db, jobs, "waits")
    assert bodies.is_waiting.wait(PATIENCE_S)

    jobs.wake(run)

    assert end_of(jobs, run).result == {"woken": True}


def test_a_run_that_nobody_wakes_goes_on_when_its_time_is_up(db, jobs):
    assert end_of(jobs, start(db, jobs, "waits_in_vain")).result == {"woken": False}


def test_waking_what_is_not_there_or_has_ended_does_nothing(db, jobs):
    run = start(db, jobs, "waits_in_vain")
    ended = end_of(jobs, run)

    jobs.wake("nobody")
    jobs.wake(run)

    assert jobs.get(run) == ended


def test_a_kind_with_one_place_of_its_own_holds_up_itself_and_nobody_else(db, jobs, bodies):
    first = start(db, jobs, "holds")
    assert bodies.is_waiting.wait(PATIENCE_S)
    second, other = start(db, jobs, "holds"), start(db, jobs, "counts")

    end_of(jobs, other)
    begun = [run for run in bodies.steps if run != other]
    bodies.may_go_on.set()

    assert begun == [first]
    assert end_of(jobs, second).state is RunState.DONE


def test_a_cancelled_run_ends_at_its_next_step(db, jobs, bodies):
    run = start(db, jobs, "is_cancelled")
    assert bodies.is_waiting.wait(PATIENCE_S)

    record = jobs.cancel(run)
    bodies.may_go_on.set()

    assert record.state is RunState.CANCELLED
    assert bodies.has_ended.wait(PATIENCE_S)
    assert bodies.steps == []
    assert jobs.get(run).state is RunState.CANCELLED
    with pytest.raises(Conflict, match="already ended"):
        jobs.cancel(run)


def test_a_refusal_in_a_body_is_the_runs_error(db, jobs):
    record = end_of(jobs, start(db, jobs, "refuses"))

    assert (record.state, record.error, record.result) == (
        RunState.FAILED,
        "the rows do not fit",
        {"code": "refused"},
    )


def test_a_mistake_in_a_body_fails_its_run_and_no_other(db, jobs):
    broken = start(db, jobs, "breaks")
    other = start(db, jobs, "counts", {"seed": 7})

    assert end_of(jobs, broken).state is RunState.FAILED
    assert "ZeroDivisionError" in jobs.get(broken).error
    assert end_of(jobs, other).result == {"args": {"seed": 7}}


def test_a_run_of_the_same_id_is_started_once(db, jobs, bodies):
    ids = [start(db, jobs, "counts", {"seed": seed}, id="the-one") for seed in (1, 2)]

    record = end_of(jobs, "the-one")

    assert ids == ["the-one", "the-one"]
    assert record.result == {"args": {"seed": 1}}
    assert bodies.steps == ["the-one"]


def test_a_run_whose_transaction_is_rolled_back_never_begins(db, jobs):
    with pytest.raises(ZeroDivisionError):
        _start_and_fail(db, jobs)

    with pytest.raises(NotFound):
        jobs.get("never")
    end_of(jobs, start(db, jobs, "counts"))
    assert [run.kind for run in jobs.runs()] == ["counts"]


@pytest.mark.e2e
def test_a_run_goes_on_after_a_kill_without_doing_a_step_again_that_was_done(tmp_path):
    process = subprocess.Popen([sys.executable, durable.__file__, str(tmp_path), database_url(tmp_path)])
    done = tmp_path / "done"
    until(lambda: done.exists() and done.read_text() == "first\nsecond\n", "the run is in its second step", PATIENCE_S)
    process.kill()
    process.wait()
    (tmp_path / "gate").touch()

    work = durable.work(tmp_path, database_url(tmp_path))

    try:
        record = end_of(work.jobs, durable.RUN)
    finally:
        work.close()
    assert (record.state, record.result) == (RunState.DONE, {"first": 1, "second": 3})
    assert done.read_text() == "first\nsecond\nsecond\n"


def _start_and_fail(db, jobs):
    with db.write() as connection:
        jobs.start(connection, "counts", "digits", {"seed": 1 // 1}, id="never")
        raise ZeroDivisionError
