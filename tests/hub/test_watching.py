"""Watching events: what a process keeps in memory hears of every change, its own at once and another hub's soon."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from edgewright.hub.events import Events, event_table
from edgewright.hub.events.watching import GAP_PATIENCE_S, Watching


@pytest.fixture
def watching(db):
    """One that begins now, and the subjects that it has told of."""
    watching, told = Watching(db, lambda: watching.now), []
    watching.now = 0.0
    watching.told = told
    watching.add(["room.*"], lambda event: told.append(event.subject))
    watching.read()
    return watching


def record(db, events, *subjects, kind="room.thing"):
    with db.write() as connection:
        for subject in subjects:
            events.record(connection, kind, subject)


def record_and_fail(db, events):
    with db.write() as connection:
        events.record(connection, "room.thing", "a")
        raise ValueError("no")


def insert(db, number):
    """As a transaction does that took its number early and commits now."""
    row = {"number": number, "at": 1.0, "kind": "room.thing", "subject": str(number), "data": {}}
    with db.write() as connection:
        connection.execute(sa.insert(event_table).values(row))


def test_its_own_hub_tells_of_an_event_before_the_write_returns(db, events):
    told = []
    events.watch(["room.thing"], lambda event: told.append((event.kind, event.subject, event.data)))

    with db.write() as connection:
        events.record(connection, "room.thing", "a", size=1)
        events.record(connection, "room.other", "b")
        before = list(told)

    assert (before, told) == ([], [("room.thing", "a", {"size": 1})])


def test_what_was_rolled_back_is_not_told(db, events):
    told = []
    events.watch(["room.*"], told.append)

    with pytest.raises(ValueError, match="no"):
        record_and_fail(db, events)

    assert told == []


def test_a_watcher_that_fails_hinders_nobody(db, events):
    told = []
    events.watch(["room.*"], lambda event: 1 / 0)
    events.watch(["room.*"], lambda event: told.append(event.subject))

    record(db, events, "a")

    assert told == ["a"]


def test_another_hubs_events_are_read_from_the_start_of_this_one_on(db, events, watching):
    record(db, events, "a", "b")
    record(db, events, "c", kind="other.thing")

    watching.read()
    watching.read()

    assert watching.told == ["a", "b"]


def test_what_was_recorded_before_the_start_is_not_told(db, events):
    record(db, events, "a")
    watching, told = Watching(db), []
    watching.add(["room.*"], told.append)

    watching.read()

    assert told == []


def test_an_own_event_is_not_told_again_when_it_is_read(db, watching):
    events = Events(db, lambda: 1.0)
    events.watch(["room.*"], watching.tell_own)
    record(db, events, "a")

    watching.read()

    assert watching.told == ["a"]


def test_a_lower_number_that_commits_later_is_not_missed(db, watching):
    insert(db, 3)
    watching.read()
    insert(db, 1)
    watching.read()
    insert(db, 2)
    insert(db, 4)
    watching.read()

    assert watching.told == ["3", "1", "2", "4"]


def test_a_number_that_is_under_way_at_the_start_is_not_missed(db):
    insert(db, 1)
    insert(db, 3)
    watching, told = Watching(db), []
    watching.add(["room.*"], lambda event: told.append(event.subject))
    watching.read()

    insert(db, 2)
    watching.read()

    assert told == ["2"]


def test_a_number_that_never_comes_is_given_up_after_some_minutes(db, watching):
    insert(db, 2)
    watching.read()
    watching.now = GAP_PATIENCE_S + 1
    watching.read()

    insert(db, 1)
    watching.read()

    assert watching.told == ["2"]


def test_it_knows_for_how_long_it_has_heard_nothing(watching):
    watching.now = 4.0

    assert watching.lag_s() == 4.0
