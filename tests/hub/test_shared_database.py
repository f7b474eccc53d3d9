"""What hubs that share a database may rely on. On SQLite, which they cannot share, the same holds for threads."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from edgewright.contract.api import Role, UserDraft
from edgewright.contract.errors import Conflict
from edgewright.hub.db import Database, DatabaseAway, DatabaseBusy, DoesNotFit, NewerDatabase, WrongDatabase
from edgewright.hub.events import Events, event_table
from edgewright.hub.govern import Audit, People
from scenes.databases import database_url, is_postgresql, new_database
from scenes.passwords import cheap_passwords

PATIENCE_S = 10.0
only_postgresql = pytest.mark.skipif(not is_postgresql(), reason="this is about PostgreSQL: make test-postgres")


@pytest.fixture
def other(tmp_path, db):
    """Another hub's way to the same database."""
    other = new_database(tmp_path)
    yield other
    other.close()


def write_in_an_ended_session(db, other):
    with db.write() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.read() as reader:
            reader.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        connection.execute(sa.select(1))


def together(*acts) -> None:
    """Do all of it at once, and wait for it."""
    begin = threading.Barrier(len(acts))
    threads = [threading.Thread(target=lambda act=act: (begin.wait(), act())) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)


def test_the_audit_log_of_two_hubs_is_one_chain(db, other, clock, keys):
    logs = [(one, Audit(one, clock, keys.audit)) for one in (db, other)]

    def record(one, log):
        for number in range(20):
            with one.write() as connection:
                log.record(connection, "ana", "thing.change", str(number))

    together(*(lambda one=one, log=log: record(one, log) for one, log in logs * 2))

    report = logs[0][1].verify()
    assert (report.entries, report.is_verified) == (80, True)


def test_events_of_two_hubs_have_numbers_in_the_order_of_their_commits(db, other, clock):
    seen, stop = [], threading.Event()

    def read():
        last = 0
        while not stop.is_set() or last < 80:
            with db.read() as connection:
                numbers = connection.scalars(sa.select(event_table.c.number).where(event_table.c.number > last))
                seen.extend(sorted(numbers))
            last = seen[-1] if seen else 0

    def record(one):
        events = Events(one, clock)
        for number in range(40):
            with one.write() as connection:
                events.record(connection, "room.thing", str(number))

    reader = threading.Thread(target=read)
    reader.start()
    together(lambda: record(db), lambda: record(other))
    stop.set()
    reader.join(PATIENCE_S)

    assert seen == list(range(1, 81))


def test_each_event_is_handled_by_one_of_two_hubs(db, other, clock):
    told, hubs = [], [Events(one, clock) for one in (db, other if is_postgresql() else db)]
    for events in hubs:
        events.subscribe("room.thing", lambda event: told.append(event.number))
    with db.write() as connection:
        for number in range(100):
            hubs[0].record(connection, "room.thing", str(number))

    together(*(events.deliver for events in hubs))

    assert told == list(range(1, 101))


def test_two_hubs_cannot_make_the_same_user(db, other, clock, keys):
    refused = []

    def create(one):
        with cheap_passwords():
            people = People(one, Audit(one, clock, keys.audit), clock)
        try:
            people.create("ana", UserDraft(name="ben", password="a long password", roles=(Role.VIEWER,)))
        except Conflict as error:
            refused.append(error.code)

    together(lambda: create(db), lambda: create(other))

    assert refused == ["user_exists"]


def test_a_place_is_held_by_one_at_a_time(db, other):
    with db.alone("work") as first:
        with other.alone("work", wait=False) as second:
            pass
        with other.alone("else", wait=False) as third:
            pass
    with other.alone("work", wait=False) as fourth:
        pass

    assert (first, third, fourth) == (True, True, True)
    assert second is (not is_postgresql())  # a folder with SQLite in it has one hub, whose lock is another


def test_who_waits_for_a_place_gets_it_in_the_end(db):
    order, is_waiting = [], threading.Event()

    def wait_for_it():
        is_waiting.set()
        with db.alone("work") as is_mine:
            order.append(is_mine)

    with db.alone("work"):
        waiter = threading.Thread(target=wait_for_it)
        waiter.start()
        is_waiting.wait(PATIENCE_S)
        order.append("first")
    waiter.join(PATIENCE_S)

    assert order == ["first", True]


@only_postgresql
def test_a_value_that_has_no_place_is_the_callers_mistake(db):
    for subject in ("x" * 201, "a\0b"):
        with pytest.raises(DoesNotFit), db.write() as connection:
            connection.execute(sa.insert(event_table).values(at=1.0, kind="k", subject=subject, data={}))


@only_postgresql
def test_who_waits_too_long_for_the_writers_place_is_told_to_come_again(tmp_path, db):
    hasty = Database(f"{database_url(tmp_path)}&options=-c%20lock_timeout%3D50")

    with db.write(), pytest.raises(DatabaseBusy) as told, hasty.write():
        pass

    assert told.value.retry_after_s > 0
    hasty.close()


@only_postgresql
def test_a_reader_cannot_write(db):
    with pytest.raises(sa.exc.InternalError, match="read-only"), db.read() as connection:
        connection.execute(sa.insert(event_table).values(at=1.0, kind="k", subject="s", data={}))


@only_postgresql
def test_a_session_that_the_server_ends_is_told_plainly_and_the_next_one_works(db, other):
    with pytest.raises(DatabaseAway):
        write_in_an_ended_session(db, other)

    with db.write() as connection:
        assert connection.scalar(sa.select(1)) == 1


@only_postgresql
def test_a_user_who_may_make_no_tables_is_refused_by_name(db):
    with db.write() as connection:
        connection.execute(sa.text("CREATE ROLE guest LOGIN"))
    guest = Database(db.engine.url.set(username="guest").render_as_string())

    try:
        with pytest.raises(WrongDatabase, match="lacks a right"):
            guest.migrate()
    finally:
        guest.close()
        with db.write() as connection:
            connection.execute(sa.text("DROP ROLE guest"))


@only_postgresql
def test_the_password_of_a_database_is_never_told():
    db = Database("postgresql://ana:s3cret@127.0.0.1:1/edgewright")

    with pytest.raises(DatabaseAway) as told:
        db.check()

    assert "s3cret" not in told.value.message
    assert "127.0.0.1:1" in told.value.message


@pytest.mark.parametrize("url", ["mysql://host/name", "no address", "oracle://x"])
def test_other_databases_are_refused_by_name(url):
    with pytest.raises(WrongDatabase):
        Database(url)


def test_a_database_of_a_newer_release_is_refused(tmp_path):
    db = Database(database_url(tmp_path))
    with db.write() as connection:
        was = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    try:
        with pytest.raises(NewerDatabase):
            db.migrate()
    finally:
        with db.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :was"), {"was": was})
        db.close()
