"""Tasks that have ended are forgotten: first what they have said, then the whole."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from edgewright.contract.api.tasks import Finished, Place, Task, Where
from edgewright.contract.api.workers import Beat, TaskState
from edgewright.hub.automate.executors.model import AlreadyEnded, UnknownTask
from edgewright.hub.automate.executors.queue import Forgetting, Scope, table
from edgewright.hub.automate.executors.queue.forgetting import AT_ONCE, KEPT_S, LOOK_EVERY_S, SAID_KEPT_S
from edgewright.hub.jobs import run_table

GOOD = Finished(returncode=0, output="epoch 1\n", environment={"python": "3.11"})


@pytest.fixture
def forgetting(db, clock):
    return Forgetting(db, clock)


@pytest.fixture
def task(db, tasks):
    """Puts a task of that id, which has said something and has ended unless it `goes_on`; returns its grant."""

    def make(id: str, *, goes_on: bool = False) -> str:
        asked = Task(id=id, command=("true",), model="lines", where=Where(kind=Place.CI))
        tasks.put(asked)
        record = tasks.adopt(id, "job 1")
        grant = tasks.grant(record, asked, Scope.ALL)
        tasks.beat(id, grant, Beat(log="epoch 1\n", log_from=0))
        if not goes_on:
            tasks.end(id, grant, GOOD)
        return grant

    return make


def test_a_day_after_its_end_a_task_has_lost_what_it_said_and_nothing_else(tasks, task, forgetting, clock):
    task("t1")
    clock.now += SAID_KEPT_S + 1

    forgetting.look()

    record = tasks.get("t1")
    assert tasks.log("t1", 0) == ("", 8)
    assert (record.state, record.holder) == (TaskState.ENDED, "job 1")
    assert (record.finished.returncode, record.finished.output) == (0, "")
    assert record.finished.environment == {"python": "3.11"}


def test_the_same_answer_may_still_be_repeated_and_another_may_not(tasks, task, forgetting, clock):
    grant = task("t1")
    clock.now += SAID_KEPT_S + 1
    forgetting.look()
    clock.now = 1000.0  # a grant is good for its task's time and an hour

    assert tasks.end("t1", grant, GOOD).finished.output == ""
    with pytest.raises(AlreadyEnded):
        tasks.end("t1", grant, Finished(returncode=1))


def test_thirty_days_after_its_end_a_task_is_forgotten(tasks, task, forgetting, clock):
    task("old")
    clock.now += KEPT_S
    task("new")
    clock.now += 1

    forgetting.look()

    assert [one.id for one in tasks.tasks()] == ["new"]
    with pytest.raises(UnknownTask):
        tasks.get("old")


def test_a_task_that_goes_on_or_that_a_run_still_waits_for_is_kept_whole(db, tasks, task, forgetting, clock):
    with db.write() as connection:
        row = {"id": "waited-for", "kind": "train", "subject": "lines", "args": {}, "state": "running"}
        connection.execute(sa.insert(run_table).values(**row, started_at=1.0))
    task("waited-for")
    task("slow", goes_on=True)
    clock.now += 2 * KEPT_S

    forgetting.look()

    assert {one.id for one in tasks.tasks()} == {"waited-for", "slow"}
    assert [tasks.log(id, 0)[0] for id in ("waited-for", "slow")] == ["epoch 1\n"] * 2
    assert tasks.get("waited-for").finished.output == "epoch 1\n"


def test_many_are_forgotten_in_one_look_and_one_looks_once_an_hour(db, tasks, task, forgetting, clock):
    for number in range(AT_ONCE + 1):
        task(f"t{number}")
    forgetting.look()
    clock.now += KEPT_S + LOOK_EVERY_S
    forgetting.look()
    clock.now -= KEPT_S
    task("late")
    clock.now += KEPT_S + 1 - LOOK_EVERY_S / 2
    forgetting.look()

    with db.read() as connection:
        left = connection.scalars(sa.select(table.task.c.id)).all()

    assert left == ["late"]
