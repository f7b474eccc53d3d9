"""The clone alarm's rule: one device never alarms, however its requests fare; two that take turns do."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.hub.fleet.devices.lives import (
    JUMP,
    LATE_S,
    MAX_LINES,
    RETURNS,
    Line,
    caught_up,
    cloned,
    hear,
    is_next,
    life_key,
)

POLL_S = 60.0


def told(*turns):
    """What is remembered after `(life, turn)` one after the other, a poll apart."""
    lines: tuple[Line, ...] = ()
    for number, (life, turn) in enumerate(turns):
        lines = hear(lines, life, turn, number * POLL_S)
    return lines


def rising(life, *turns):
    return [(life, turn) for turn in turns]


@pytest.mark.parametrize(
    ("what", "turns"),
    [
        ("one life", rising("a", *range(1, 100))),
        ("one reboot", rising("a", 1, 2, 3) + rising("b", *range(1, 50))),
        ("a hundred reboots", [(f"life {n}", turn) for n in range(100) for turn in (1, 2)]),
        ("replies that were lost", rising("a", 1, 4, 9, 12, 200, 201, 800)),
        ("every request twice", rising("a", *(turn for n in range(1, 60) for turn in (n, n)))),
        ("every pair swapped", rising("a", *(turn for n in range(1, 60, 2) for turn in (n + 1, n)))),
        ("a memory that was restored", rising("a", *range(1, 80)) + rising("a", *range(20, 300))),
        ("a memory that is restored each night", rising("a", *range(1, 90)) + rising("a", *range(20, 95)) * 9),
        ("a disk that was restored", rising("a", *range(1, 80)) + rising("b", 1, 2) + rising("c", *range(1, 50))),
        ("a hub that was away for long", rising("a", 1, 2, 5_000, 5_001, 9_999)),
        (
            "one late request of the life before",
            rising("a", 1, 2) + rising("b", 1) + rising("a", 3) + rising("b", 2, 3),
        ),
    ],
)
def test_one_device_never_alarms(what, turns):
    assert cloned(told(*turns)) == ""


@pytest.mark.parametrize(
    ("what", "turns"),
    [
        ("two copies of a disk", [(life, turn) for turn in range(1, 30) for life in ("a", "b")]),
        ("five copies", [(life, turn) for turn in range(1, 30) for life in "abcde"]),
        ("a copy that is seldom heard", [("a", 10 * n + k) for n in range(9) for k in range(9)]),
        ("a copy of the memory", [one for n in range(1, 30) for one in (("a", 100 + n), ("a", 20 + n))]),
    ],
)
def test_a_key_in_two_places_alarms(what, turns):
    if what.startswith("a copy that is seldom"):
        turns = [one for n in range(9) for one in (*rising("a", *range(9 * n + 1, 9 * n + 10)), ("b", n + 1))]

    assert "two places" in cloned(told(*turns))


def test_the_alarm_waits_until_no_request_of_the_first_life_can_be_under_way():
    lines = hear((), "a", 1, 0.0)
    lines = hear(lines, "b", 1, 1.0)
    for turn in range(2, 40):
        lines = hear(hear(lines, "a", turn, 1.0 + LATE_S), "b", turn, 1.0 + LATE_S)
    assert cloned(lines) == ""

    for turn in range(40, 40 + RETURNS):
        lines = hear(hear(lines, "a", turn, 2.0 + LATE_S), "b", turn, 2.0 + LATE_S)
    assert cloned(lines)


def test_a_request_held_up_past_a_reboot_does_not_count_for_lives_that_were_over_before():
    lines = hear(hear((), "a", 1, 0.0), "b", 1, 10.0)
    lines = hear(lines, "a", 2, 5000.0)  # a restored snapshot: once

    late = hear(hear(lines, "c", 1, 6000.0), "a", 3, 6002.0)

    assert max(line.returns for line in lines) == max(line.returns for line in late) == 1


def test_a_hubs_memory_of_the_newest_turn_is_caught_up_with_and_never_taken_back():
    lines = told(("a", 5), ("b", 2))

    assert caught_up(lines, "b", 40)[0].turn == 40
    assert caught_up(lines, "b", 1) == lines
    assert caught_up(lines, "a", 40) == lines
    assert caught_up((), "a", 40) == ()


@pytest.mark.parametrize(("turn", "last", "is_it"), [(2, 1, True), (1, 1, False), (1 + JUMP, 1, True), (18, 1, False)])
def test_turns_that_follow_need_no_thought(turn, last, is_it):
    assert is_next(turn, last) is is_it


def test_what_is_kept_is_bounded_and_does_not_tell_lives_names():
    lines = told(*[(life_key(f"life {n}"), 1) for n in range(500)])

    assert len(lines) == MAX_LINES
    assert all(len(line.life) == 16 and "life" not in line.life for line in lines)


@dataclass
class Story:
    """What one device sends: requests with the moment at which each arrives."""

    seed: int

    def requests(self, polls):
        chance = random.Random(self.seed)
        poll_s = chance.choice([1.0, 5.0, 60.0, 3600.0])
        now, life, turn, arrivals = 0.0, 0, 0, []
        snapshot, restores = (0, 0), chance.choice([0, 0, 1, 2])
        for _ in range(polls):
            now += poll_s * chance.uniform(0.8, 1.2)
            fate = chance.random()
            if fate < 0.06:
                life, turn = life + 1, 0
            elif fate < 0.08:
                turn += chance.randrange(200)  # the hub was away
                now += poll_s * 200
            elif fate < 0.1:
                snapshot = (life, turn)
            elif fate < 0.12 and restores:
                restores -= 1
                life, turn = snapshot
                now += poll_s
            turn += 1
            if chance.random() < 0.1:
                continue  # the request was lost
            delay_s = min(poll_s, LATE_S) * chance.random() * 0.9 if chance.random() < 0.3 else 0.0
            arrivals.append((now + delay_s, life, turn))
            if chance.random() < 0.1:
                arrivals.append((now + delay_s + chance.uniform(0.0, min(30.0, poll_s)), life, turn))
        return sorted(arrivals)


@settings(max_examples=60)
@given(st.integers(0, 10**9))
def test_whatever_befalls_the_requests_of_one_device_it_never_alarms(seed):
    lines: tuple[Line, ...] = ()

    for at, life, turn in Story(seed).requests(250):
        lines = hear(lines, f"life {life}", turn, at)

    assert cloned(lines) == ""


@settings(max_examples=40)
@given(st.integers(0, 10**9), st.integers(2, 6))
def test_copies_of_a_disk_that_go_on_are_found(seed, copies):
    chance = random.Random(seed)
    turns, lines = [0] * copies, ()

    for tick in range(80 * copies):
        one = chance.randrange(copies)
        turns[one] += 1
        if chance.random() < 0.9:
            lines = hear(lines, f"copy {one}", turns[one], tick * POLL_S / copies)

    assert cloned(lines)
