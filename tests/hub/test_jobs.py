"""What a run's record says: it ends once, and what comes late changes nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from edgewright.contract.api import RunState
from edgewright.hub.events import event_table
from edgewright.hub.jobs import Jobs


@pytest.fixture
def jobs(db, events, clock):
    return Jobs(db, events, clock)


def queued(jobs: Jobs, db, body) -> str:
    jobs.define("train", body)
    with db.write() as connection:
        return jobs.start(connection, "train", "digits", {"seed": 7})


def endings(db) -> int:
    with db.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(event_table.c.kind == "run.ended"))


def test_a_run_is_done_with_its_result_and_its_log(jobs, db):
    def body(context):
        context.report("learn", 0.5, log=f"seed {context.args['seed']}\n")
        return {"version": 1}

    run = queued(jobs, db, body)

    jobs.perform("train", run)

    record = jobs.get(run)
    assert (record.state, record.fraction, record.result, record.log) == (
        RunState.DONE,
        1.0,
        {"version": 1},
        "seed 7\n",
    )
    assert endings(db) == 1


def test_a_cancelled_run_stays_cancelled_whatever_its_last_step_still_says(jobs, db):
    def body(context):
        jobs.note(context.id, state=RunState.CANCELLED, ended=True)
        context.report("learn", 0.9, log="still here\n")
        return {"version": 1}

    run = queued(jobs, db, body)

    jobs.perform("train", run)

    record = jobs.get(run)
    assert (record.state, record.fraction, record.result, record.log) == (RunState.CANCELLED, 0.0, {}, "")
    assert endings(db) == 1


def test_a_run_that_was_cancelled_before_it_began_does_nothing(jobs, db):
    began = []
    run = queued(jobs, db, lambda context: began.append(context.id) or {})
    jobs.note(run, state=RunState.CANCELLED, ended=True)

    jobs.perform("train", run)

    assert began == []
    assert jobs.get(run).state is RunState.CANCELLED
