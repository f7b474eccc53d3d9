"""Transactions: whole or not at all, one consistent look, and what happens after a commit."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from edgewright.hub.db import after_commit
from edgewright.hub.events import event_table


class Mistake(Exception):
    """What a caller's code may raise in the middle of a transaction."""


def add(connection, kind):
    connection.execute(sa.insert(event_table).values(at=1.0, kind=kind, subject="s", data={}))


def kinds(connection):
    return list(connection.scalars(sa.select(event_table.c.kind).order_by(event_table.c.number)))


def read_kinds(db):
    with db.read() as connection:
        return kinds(connection)


def test_a_block_that_ends_is_committed_whole(db):
    with db.write() as connection:
        add(connection, "one")
        add(connection, "two")

    assert read_kinds(db) == ["one", "two"]


def test_a_block_that_raises_is_rolled_back_whole_and_the_next_one_works(db):
    with pytest.raises(Mistake):
        write_and_fail(db, lambda connection: add(connection, "one"))

    with db.write() as connection:
        add(connection, "two")

    assert read_kinds(db) == ["two"]


def test_nobody_sees_what_is_not_committed_yet(db):
    with db.write() as connection:
        add(connection, "one")

        assert read_kinds(db) == []


def test_a_reading_block_sees_one_state_whatever_is_written_meanwhile(db):
    with db.read() as connection:
        before = kinds(connection)
        with db.write() as writing:
            add(writing, "one")

        assert kinds(connection) == before == []

    assert read_kinds(db) == ["one"]


def test_what_waits_for_the_commit_happens_after_it_in_order(db):
    told = []

    with db.write() as connection:
        after_commit(connection, lambda: told.append(("first", read_kinds(db))))
        after_commit(connection, lambda: told.append(("second", read_kinds(db))))
        add(connection, "one")
        assert told == []

    assert told == [("first", ["one"]), ("second", ["one"])]


def test_what_waits_for_the_commit_never_happens_after_a_rollback(db):
    told = []

    with pytest.raises(Mistake):
        write_and_fail(db, lambda connection: after_commit(connection, lambda: told.append("never")))
    with db.write() as connection:
        add(connection, "one")

    assert told == []


def test_a_write_inside_a_write_is_a_mistake_that_is_told_and_not_waited_for(db):
    with db.write() as connection:
        add(connection, "one")
        with pytest.raises(RuntimeError, match="inside a write"):
            add_in_its_own_transaction(db, "two")

    assert read_kinds(db) == ["one"]


def test_what_waits_for_the_commit_may_write(db):
    with db.write() as connection:
        after_commit(connection, lambda: add_in_its_own_transaction(db, "two"))
        add(connection, "one")

    assert read_kinds(db) == ["one", "two"]


def test_many_writers_at_once_lose_nothing(db):
    writers = [threading.Thread(target=add_ten, args=(db, f"w{number}")) for number in range(8)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert sorted(read_kinds(db)) == sorted(f"w{number}" for number in range(8) for _ in range(10))


def write_and_fail(db, act):
    with db.write() as connection:
        act(connection)
        raise Mistake


def add_in_its_own_transaction(db, kind):
    with db.write() as connection:
        add(connection, kind)


def add_ten(db, kind):
    for _ in range(10):
        add_in_its_own_transaction(db, kind)
