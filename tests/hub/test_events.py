"""Events: told at least once, in order, to every subscriber, if and only if their change was committed."""

from __future__ import annotations

import threading

import pytest

from edgewright.hub.events import TRIES, Events

PATIENCE_S = 10.0


class Crash(BaseException):
    """The end of the process, as a handler meets it: no code of ours catches it."""


def record(db, events, *subjects, kind="room.thing"):
    with db.write() as connection:
        for subject in subjects:
            events.record(connection, kind, subject, size=len(subject))


def record_and_fail(db, events):
    with db.write() as connection:
        events.record(connection, "room.thing", "a")
        raise TypeError("not JSON")


def test_events_are_told_once_in_the_order_of_their_commits(db, events):
    heard = []
    events.subscribe("room.thing", heard.append)
    record(db, events, "a", "b")
    record(db, events, "c")

    delivered = events.deliver()
    again = events.deliver()

    assert [(event.subject, event.data) for event in heard] == [(name, {"size": 1}) for name in "abc"]
    assert [event.number for event in heard] == sorted(event.number for event in heard)
    assert (delivered, again) == (3, 0)


def test_a_subscriber_hears_its_own_kind_alone(db, events):
    heard = []
    events.subscribe("room.other", heard.append)

    record(db, events, "a")
    events.deliver()

    assert heard == []


def test_what_was_rolled_back_is_never_told(db, events):
    heard = []
    events.subscribe("room.thing", heard.append)
    with pytest.raises(TypeError, match="not JSON"):
        record_and_fail(db, events)

    events.deliver()

    assert heard == []


def test_after_a_crash_in_a_handler_the_whole_batch_is_told_again(db, events, clock):
    first, second = [], []

    def crash_at_b(event):
        first.append(event.subject)
        if event.subject == "b":
            raise Crash

    events.subscribe("room.thing", crash_at_b)
    record(db, events, "a", "b", "c")
    with pytest.raises(Crash):
        events.deliver()
    reborn = Events(db, clock)
    reborn.subscribe("room.thing", lambda event: second.append(event.subject))

    reborn.deliver()

    assert first == ["a", "b"]
    assert second == ["a", "b", "c"]


def test_a_handler_that_fails_is_tried_again_and_then_passed_over(db, events):
    failing, others = [], []

    def fail(event):
        failing.append(event.subject)
        raise ValueError("this handler is broken")

    events.subscribe("room.thing", fail)
    events.subscribe("room.thing", lambda event: others.append(event.subject))
    record(db, events, "a", "b")

    events.deliver()

    assert failing == ["a"] * TRIES + ["b"] * TRIES
    assert others == ["a", "b"]


def test_a_handler_that_fails_once_hears_the_event_again_and_no_more_than_that(db, events):
    heard = []

    def fail_at_first(event):
        heard.append(event.subject)
        if len(heard) == 1:
            raise ValueError("not yet")

    events.subscribe("room.thing", fail_at_first)
    record(db, events, "a", "b")

    events.deliver()

    assert heard == ["a", "a", "b"]


def test_more_events_than_fit_in_a_batch_are_all_told(db, events):
    heard = []
    events.subscribe("room.thing", lambda event: heard.append(event.subject))
    names = [f"n{number}" for number in range(450)]
    record(db, events, *names)

    events.deliver()

    assert heard == names


def test_a_handler_may_record_events_that_are_told_in_turn(db, events):
    heard = []
    events.subscribe("room.thing", lambda event: record(db, events, "b", kind="room.next"))
    events.subscribe("room.next", lambda event: heard.append(event.subject))
    record(db, events, "a")

    events.deliver()

    assert heard == ["b"]


def test_the_background_thread_tells_what_a_previous_life_left_and_what_comes(db, events):
    heard, told = [], threading.Event()

    def listen(event):
        heard.append(event.subject)
        if event.subject == "new":
            told.set()

    record(db, events, "left")
    events.subscribe("room.thing", listen)
    events.start()
    record(db, events, "new")

    assert told.wait(PATIENCE_S)
    events.stop()
    assert heard == ["left", "new"]


def test_one_that_was_stopped_tells_nothing_more(db, events):
    heard = []
    events.subscribe("room.thing", heard.append)
    events.start()
    events.stop()

    record(db, events, "a")
    events.deliver()

    assert heard == []
