"""What a trigger does with an occasion, row by row; and what holds of every sequence of them."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract import windows
from edgewright.contract.api import OccasionState, OnAlert, OnCode, OnData, OnRequest, OnTime, TriggerDraft
from edgewright.hub.automate.triggers.forecast import Play
from edgewright.hub.automate.triggers.model import (
    Asked,
    Frozen,
    Labelled,
    Occasion,
    Pushed,
    Raised,
    Standing,
    Struck,
    join,
)
from edgewright.hub.automate.triggers.rules import decide
from edgewright.hub.automate.triggers.rules.conditions import mismatch
from edgewright.hub.automate.triggers.sources import news

DAY = 86400.0
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()  # a Wednesday
FIRED, WAITING, NOT_FIRED = OccasionState.FIRED, OccasionState.WAITING, OccasionState.NOT_FIRED


def trigger(**changes) -> TriggerDraft:
    facts = {"name": "t", "model": "digits", "when": OnAlert(), "cooldown_s": 100.0, "max_runs": 3}
    return TriggerDraft(**(facts | changes))


def alert(at=NOON, since=None, key="a1", **facts) -> Occasion:
    raised = Raised(alerts=(key,), kind="data_drift", level="version", **facts)
    return Occasion(key=key, at=at, since=at if since is None else since, what=f"alert {key}", facts=raised)


BUSY = ("run-1",)


@pytest.mark.parametrize(
    ("draft", "standing", "state", "why", "until"),
    [
        ({}, {}, FIRED, "run 1 of at most 3", None),
        ({}, {"fired": (NOON - 200, NOON - 100)}, FIRED, "run 3 of at most 3", None),
        ({}, {"is_paused": True, "active": BUSY}, NOT_FIRED, "the trigger is paused", None),
        ({"when": OnAlert(kinds=("bias",))}, {}, NOT_FIRED, "its kind data_drift is none of bias", None),
        ({}, {"over": "its alert was resolved meanwhile"}, NOT_FIRED, "its alert was resolved meanwhile", None),
        (
            {"max_runs": 2, "period_s": DAY},
            {"fired": (NOON - DAY + 60, NOON - 50)},
            NOT_FIRED,
            "the budget of 2 runs in 1 d is spent; the next run is free at 2026-03-04 12:01 UTC",
            None,
        ),
        ({"max_runs": 2, "period_s": DAY}, {"fired": (NOON - DAY, NOON - 200)}, FIRED, "run 2 of at most 2", None),
        ({}, {"fired": (NOON - 40,)}, WAITING, "cooling down: 1 min are left of 1.67 min", NOON + 60),
        ({}, {"active": BUSY}, WAITING, "run-1 is still at work on digits", NOON + 300),
        ({"max_concurrent": 2}, {"active": BUSY}, FIRED, "run 1 of", None),
        ({"debounce_s": 30.0}, {}, WAITING, "more may come: it waits until nothing has for 30 s", NOON + 30),
        (
            {"quiet_hours": ("mon-fri 08:00-18:00",)},
            {},
            WAITING,
            "quiet hours last until 2026-03-04 18:00 UTC",
            NOON + 6 * 3600,
        ),
        ({"quiet_hours": ("mon-fri 08:00-12:00",)}, {}, FIRED, "run 1 of", None),
        (
            {"quiet_hours": ("08:00-14:00",), "time_zone": "Europe/Berlin"},
            {},
            WAITING,
            "quiet hours last until 2026-03-04 13:00 UTC",
            NOON + 3600,
        ),
        (
            {"debounce_s": 30.0, "quiet_hours": ("11:00-13:00",)},
            {"fired": (NOON - 1,), "active": BUSY},
            WAITING,
            "quiet hours",
            NOON + 3600,
        ),
        ({"max_runs": 1}, {"fired": (NOON - 1,), "active": BUSY}, NOT_FIRED, "the budget of 1 runs", None),
    ],
)
def test_the_first_refusal_decides_then_the_longest_hold_then_it_fires(draft, standing, state, why, until):
    decision = decide(trigger(**draft), alert(), Standing(**standing), NOON)

    assert (decision.state, decision.until) == (state, until)
    assert why in decision.why


def test_occasions_that_never_cease_are_held_up_for_ten_debounces_and_no_longer():
    busy = trigger(debounce_s=60.0)

    before = decide(busy, alert(at=NOON, since=NOON - 580), Standing(), NOON)
    after = decide(busy, alert(at=NOON, since=NOON - 600), Standing(), NOON)

    assert (before.state, before.until) == (WAITING, NOON + 20)
    assert after.state is FIRED


PUSH = Pushed(repository="plant/vision", branch="release/1", revision="ab" * 20, paths=("train/a.py", "docs/x.md"))


@pytest.mark.parametrize(
    ("when", "facts", "why"),
    [
        (OnTime(cron="0 3 * * *"), Asked(by="ana"), ""),
        (OnRequest(), Struck(), "it watches for something else"),
        (OnTime(cron="0 3 * * *"), Struck(), ""),
        (OnData(labels=10), Labelled(count=10), ""),
        (OnData(dataset="lines"), Frozen(snapshot="lines@2", dataset="lines"), ""),
        (OnData(dataset="lines"), Frozen(snapshot="wine@2", dataset="wine"), "wine@2 is no snapshot of lines"),
        (
            OnData(dataset="lines"),
            Frozen(snapshot="lines@2", dataset="lines", run="pipeline-1"),
            "run pipeline-1 made it for itself",
        ),
        (OnCode(), PUSH, ""),
        (OnCode(branches=("main", "release/*"), paths=("train/*",)), PUSH, ""),
        (OnCode(branches=("main",)), PUSH, "branch release/1 is none of main"),
        (OnCode(paths=("models/*",)), PUSH, "none of its 2 paths is one of models/*"),
        (OnCode(), Pushed(repository="r", branch="", revision="a"), "it is a tag, and no push to a branch"),
        (OnCode(), Pushed(repository="r", branch="x", revision="0", is_deletion=True), "the push deletes a branch"),
        (OnCode(paths=("models/*",)), Pushed(repository="r", branch="main", revision="a", is_whole=False), ""),
        (OnAlert(levels=("device",)), alert().facts, "its level version is none of device"),
        (OnAlert(segments=("site=*",)), alert(segment="site=berlin").facts, ""),
        (OnAlert(segments=("site=*",)), alert().facts, "its segment (all) is none of site=*"),
        (OnAlert(severities=("critical",)), alert(severity="info").facts, "its severity info is none of critical"),
    ],
)
def test_an_occasion_is_one_that_the_trigger_watches_for_or_it_is_said_why_not(when, facts, why):
    assert mismatch(when, facts) == why


def test_alerts_that_join_are_all_remembered():
    both = join(alert(at=NOON), alert(at=NOON + 5, key="a2"))

    assert both.facts.alerts == ("a1", "a2")
    assert (both.key, both.at, both.since) == ("a2", NOON + 5, NOON)


spans = st.sampled_from([0.0, 30.0, 600.0, 7200.0, DAY])
drafts = st.builds(
    trigger,
    debounce_s=spans,
    cooldown_s=spans,
    max_runs=st.integers(1, 4),
    period_s=st.sampled_from([3600.0, DAY, 10 * DAY]),
    max_concurrent=st.integers(1, 3),
    quiet_hours=st.sampled_from([(), ("22:00-05:00",), ("mon-fri 08:00-18:00", "sat 00:00-24:00")]),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
)
gaps = st.lists(st.sampled_from([0.0, 1.0, 29.0, 31.0, 900.0, 7000.0, 20_000.0, 2 * DAY]), max_size=25)


@settings(max_examples=60, deadline=None)
@given(drafts, gaps, st.sampled_from([0.0, 50.0, 5000.0, 3 * DAY]))
def test_no_sequence_of_occasions_breaks_a_limit_and_each_ends_in_one_outcome(draft, gaps, run_s):
    play, at = Play(draft, run_s), NOON
    for number, gap in enumerate(gaps):
        at += gap
        play.arrive(alert(at=at, key=f"a{number}"))
    play.go_on(at + 60 * DAY)

    records = list(play.records.values())
    begun = sorted(record.decided_at for record in records if record.state is FIRED)
    hours = [windows.parse(text) for text in draft.quiet_hours]
    assert len(records) == len(gaps)
    assert all(record.state is not WAITING and record.why for record in records)
    for moment in begun:
        assert len([one for one in begun if moment - draft.period_s < one <= moment]) <= draft.max_runs
        assert len([one for one in begun if one <= moment < one + run_s]) <= draft.max_concurrent
        assert windows.closes_at(hours, moment, windows.zone(draft.time_zone)) == moment
    assert all(later - one >= draft.cooldown_s for one, later in itertools.pairwise(begun))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 59.0), min_size=1, max_size=8))
def test_a_debounce_makes_one_run_of_many_occasions(gaps):
    play, at = Play(trigger(debounce_s=60.0), 10.0), NOON
    for number, gap in enumerate(gaps):
        at += gap
        play.arrive(alert(at=at, key=f"a{number}"))
    play.go_on(at + DAY)

    states = [record.state for record in play.records.values()]
    assert states == [OccasionState.JOINED] * (len(gaps) - 1) + [FIRED]


def test_virtual_months_take_less_than_a_second():
    nightly = trigger(
        when=OnTime(cron="*/30 * * * *", time_zone="Europe/Berlin"),
        max_runs=40,
        cooldown_s=3 * 3600.0,
        debounce_s=300.0,
        quiet_hours=("mon-fri 08:00-18:00",),
        time_zone="Europe/Berlin",
    )
    play, days = Play(nightly, 1800.0), 90
    began = time.process_time()
    for number in range(days * 48):
        at = NOON + 1800.0 * number
        play.arrive(news.of_strikes(nightly.when, at, 0, at))
    play.go_on(NOON + days * DAY)

    assert time.process_time() - began < 1.0
    begun = [record.decided_at for record in play.records.values() if record.state is FIRED]
    assert 100 < len(begun) <= 40 * (days // 30 + 1)
