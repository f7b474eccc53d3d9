"""Times of schedules in their own time zones, also where clocks are changed; and what no schedule is."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edgewright.contract.api import OnTime
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.triggers.rules.schedule import check_schedule, last_strike, next_strike, strikes

BERLIN = ZoneInfo("Europe/Berlin")


def at(*parts: int, fold: int = 0) -> float:
    return datetime(*parts, fold=fold, tzinfo=BERLIN).timestamp()


def berlin(cron: str) -> OnTime:
    return OnTime(cron=cron, time_zone="Europe/Berlin")


def test_a_schedule_strikes_by_the_clock_of_its_place():
    assert next_strike(berlin("0 3 * * mon-fri"), at(2026, 3, 6, 4)) == at(2026, 3, 9, 3)
    assert next_strike(OnTime(cron="0 3 * * *"), at(2026, 3, 6, 4)) == at(2026, 3, 7, 4)


@pytest.mark.parametrize(
    ("cron", "after", "until", "expected"),
    [
        # Clocks go forward on 29 March: the hour of 02:30 is not there, and comes as soon as it can.
        ("30 2 * * *", (2026, 3, 28, 12), (2026, 3, 30, 12), [(2026, 3, 29, 3), (2026, 3, 30, 2, 30)]),
        # Clocks go back on 25 October: what has its hour strikes once, what strikes every hour does so in both.
        ("30 2 * * *", (2026, 10, 24, 12), (2026, 10, 26, 1), [(2026, 10, 25, 2, 30)]),
    ],
)
def test_a_nightly_time_comes_once_a_night_whatever_is_done_to_the_clocks(cron, after, until, expected):
    assert strikes(berlin(cron), at(*after), at(*until)) == [at(*one) for one in expected]


def test_an_hourly_time_comes_in_both_of_two_equal_hours():
    struck = strikes(berlin("0 * * * *"), at(2026, 10, 25, 0, 30), at(2026, 10, 25, 4, 30))

    assert [later - one for one, later in itertools.pairwise(struck)] == [3600.0] * 4


@pytest.mark.parametrize("moment", [0.0, 0.4, 59.0, 3599.9])
def test_the_last_time_is_the_newest_that_has_come(moment):
    now = at(2026, 3, 6, 3) + moment

    assert last_strike(berlin("0 3 * * *"), now) == at(2026, 3, 6, 3)
    assert last_strike(berlin("0 3 * * *"), at(2026, 3, 6, 3) - 0.1) == at(2026, 3, 5, 3)


@pytest.mark.parametrize(
    ("cron", "time_zone", "field", "why"),
    [
        ("0 0 30 2 *", "UTC", "when.cron", "bad day-of-month"),
        ("61 * * * *", "UTC", "when.cron", "bad minute"),
        ("* * *", "UTC", "when.cron", "has 3 fields and not 5"),
        ("* * * * * *", "UTC", "when.cron", "has 6 fields and not 5"),
        ("@daily", "UTC", "when.cron", "has 1 fields and not 5"),
        ("", "UTC", "when.cron", "has 0 fields and not 5"),
        ("0 3 * * *", "Mars/Olympus", "when.time_zone", "no time zone 'Mars/Olympus'"),
        ("0 3 * * *", "../../etc/passwd", "when.time_zone", "no time zone"),
    ],
)
def test_a_schedule_that_cannot_strike_is_refused_by_its_field(cron, time_zone, field, why):
    with pytest.raises(InvalidInput) as refused:
        check_schedule(OnTime(cron=cron, time_zone=time_zone), at(2026, 3, 6))

    assert refused.value.field == field
    assert why in refused.value.message
    assert refused.value.hint
