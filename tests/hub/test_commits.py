"""Group commit: many small changes in one transaction, each with its own fate."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from edgewright.contract.errors import Busy, Conflict
from edgewright.hub.commits import GroupCommit
from edgewright.hub.events import event_table

PATIENCE_S = 10.0


@pytest.fixture
def commits(db):
    commits = GroupCommit(db)
    commits.start()
    yield commits
    commits.stop()


@pytest.fixture
def transactions(db):
    """Which savepoints and commits the database is asked for, as they come."""
    seen = []
    sa.event.listen(db.engine, "commit", lambda _connection: seen.append("commit"))
    sa.event.listen(db.engine, "savepoint", lambda _connection, _name: seen.append("savepoint"))
    return seen


def subjects(db):
    with db.read() as connection:
        return list(connection.scalars(sa.select(event_table.c.subject).order_by(event_table.c.number)))


def noting(events, subject):
    return lambda connection: events.record(connection, "room.thing", subject)


def refusing(events, subject):
    def act(connection):
        events.record(connection, "room.thing", subject)
        raise Conflict(f"{subject} is there already")

    return act


class Held:
    """A group whose first act waits, so that others gather behind it."""

    def __init__(self, commits):
        self._go, began = threading.Event(), threading.Event()
        self.first = commits.submit(lambda _connection: (began.set(), self._go.wait(PATIENCE_S)))
        began.wait(PATIENCE_S)

    def let_go(self):
        self._go.set()


def test_an_act_is_committed_before_its_caller_hears_its_result(db, events, commits):
    def act(connection):
        events.record(connection, "room.thing", "a")
        return 7

    result = commits.do(act)

    assert (result, subjects(db)) == (7, ["a"])


def test_acts_that_come_together_share_one_commit(db, events, commits, transactions):
    held = Held(commits)
    futures = [commits.submit(noting(events, name)) for name in "abc"]
    held.let_go()
    for future in futures:
        future.result(PATIENCE_S)

    assert subjects(db) == ["a", "b", "c"]
    assert transactions.count("savepoint") == 4
    assert transactions.count("commit") <= 2


def test_an_act_that_fails_is_undone_alone_and_its_caller_alone_hears_of_it(db, events, commits):
    told = []
    events.watch(["room.*"], lambda event: told.append(event.subject))
    held = Held(commits)
    futures = [commits.submit(act) for act in (noting(events, "a"), refusing(events, "b"), noting(events, "c"))]
    held.let_go()

    with pytest.raises(Conflict, match="b is there"):
        futures[1].result(PATIENCE_S)
    assert [futures[0].result(PATIENCE_S), futures[2].result(PATIENCE_S)] == [None, None]
    assert subjects(db) == told == ["a", "c"]


def test_beyond_its_bound_it_says_when_to_come_again_and_does_nothing(db, events):
    commits = GroupCommit(db, max_waiting=2)
    commits.start()
    held = Held(commits)
    waiting = [commits.submit(noting(events, name)) for name in "ab"]

    with pytest.raises(Busy) as refusal:
        commits.submit(noting(events, "c"))

    held.let_go()
    for future in waiting:
        future.result(PATIENCE_S)
    commits.stop()
    assert refusal.value.retry_after_s >= 1
    assert subjects(db) == ["a", "b"]


def test_to_stop_is_to_commit_what_waits_and_to_take_no_more(db, events, commits):
    held = Held(commits)
    waiting = commits.submit(noting(events, "a"))
    held.let_go()

    commits.stop()

    assert waiting.done()
    assert subjects(db) == ["a"]
    with pytest.raises(Busy):
        commits.do(noting(events, "b"))


def test_an_act_inside_a_write_would_wait_for_itself(db, events, commits):
    with db.write(), pytest.raises(RuntimeError, match="inside a write"):
        commits.do(noting(events, "a"))


def test_before_the_start_an_act_is_done_at_once_by_its_caller(db, events):
    commits = GroupCommit(db)

    commits.do(noting(events, "a"))
    with pytest.raises(Conflict):
        commits.do(refusing(events, "b"))

    assert subjects(db) == ["a"]
