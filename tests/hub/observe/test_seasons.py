"""What hours of the week bring: learned although it alarms at first, and no drift becomes usual by it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from edgewright.contract.api import AlertEdit, Role, Verdict
from edgewright.hub.govern import Principal
from edgewright.hub.observe.alerts import Act, Wanted
from edgewright.hub.observe.detectors import Baseline
from edgewright.hub.observe.segments import WHOLE, table
from edgewright.hub.observe.segments.panes import Lesson, expected, remember
from edgewright.hub.observe.windows import Lens

DAY_S, WEEK_S = 86400.0, 604800.0
EVERY_S = 6 * 3600.0
ANA = Principal(name="ana", roles=(Role.OPERATOR,))
Swing = Callable[[float], float]


def season(at: float) -> float:
    """Half a standard deviation over the day, and another on weekends."""
    return 0.5 * math.sqrt(2) * math.sin(2 * math.pi * at / DAY_S) + (0.5 if at % WEEK_S >= 5 * DAY_S else 0.0)


@pytest.fixture
def plant(line):
    """Its training data are of all hours of such weeks; a week begins."""
    rows = line.random.normal(size=(5000, 3))
    rows[:, 1] += [season(at) for at in line.random.uniform(0, WEEK_S, len(rows))]
    line.learn(rows)
    line.now = math.ceil(line.now / WEEK_S) * WEEK_S
    line.observe = line.watch("data-drift", "data-means", "data-windows")
    return line


def week(line, swing: Swing) -> int:
    """Let a week go by; how many alerts it raised. Each is resolved as soon as it is there."""
    raised, ends = 0, line.now + WEEK_S
    while line.now < ends:
        line.now += EVERY_S
        line.send("d1", line.window(shift=swing(line.now - 1800), rows=120, seconds=3600))
        raised += line.observe.detect("press", 1) is not None
        for alert in line.alerts.chosen(Wanted(model="press")):
            if alert.state.is_live:
                line.alerts.act(ANA, alert.id, Act.RESOLVE, AlertEdit(verdict=Verdict.FALSE_ALARM))
    return raised


def known(line) -> tuple[int, bytes]:
    """Of all hours: how many weeks, and what the newest of them counted."""
    with line.db.read() as connection:
        row = table.season_of(connection, table.key("press", 1, WHOLE), table.ALL_HOURS)
    return row["weeks"], row["current"]


def test_a_strong_season_is_known_after_two_weeks_although_it_alarmed_in_both(plant):
    assert [week(plant, season) > 0 for _ in range(4)] == [True, True, False, False]


def test_a_drift_from_the_first_day_is_never_usual(plant):
    raised = [week(plant, lambda at: season(at) + 0.5) for _ in range(4)]

    assert min(raised) > 0


def test_a_drift_that_creeps_is_told_once_whole_weeks_have_left_training(plant):
    for _ in range(3):
        week(plant, season)

    raised = [week(plant, lambda at, by=0.07 * number: season(at) + by) for number in range(8)]

    assert sum(raised[:2]) == 0 < raised[-1]
    newest = max(plant.alerts.chosen(Wanted(model="press")), key=lambda one: one.raised_at)
    assert newest.compared_with.startswith("the training data")


def test_a_drift_beside_a_known_season_is_told_against_the_same_hour(plant):
    for _ in range(3):
        week(plant, season)

    assert week(plant, lambda at: season(at) + 0.5) > 0
    newest = max(plant.alerts.chosen(Wanted(model="press")), key=lambda one: one.raised_at)
    assert newest.compared_with == "the same hour and weekday"


def test_a_drift_beside_a_known_season_is_not_learned(plant):
    for _ in range(3):
        week(plant, season)
    before = known(plant)

    for _ in range(12):
        plant.now += EVERY_S
        plant.send("d1", plant.window(shift=season(plant.now - 1800) + 1.5, rows=120, seconds=3600))
        plant.observe.detect("press", 1)

    assert known(plant) == before


def test_a_pane_of_several_hours_is_held_to_the_mix_of_them(line):
    lens = Lens("press", 1, line.schema, Baseline(line.schema))
    flow = line.schema.span("flow")
    trained = np.zeros(line.schema.offsets[-1])
    trained[flow] = lens.baseline.counts[flow]
    is_low = np.arange(len(trained)) < flow.start + 10  # the lower half of what training saw comes at night
    night, morning = trained * is_low, trained * ~is_low
    with line.db.write() as connection:
        for week in (0, 1):
            remember(connection, lens, WHOLE, Lesson(3, week, night))
            remember(connection, lens, WHOLE, Lesson(4, week, morning))

        both = expected(connection, lens, WHOLE, [Lesson(3, 2, night), Lesson(4, 2, 3 * morning)])
        alone = expected(connection, lens, WHOLE, [Lesson(3, 2, night)])
        unknown = expected(connection, lens, WHOLE, [Lesson(3, 2, night), Lesson(5, 2, morning)])

    live = night.sum() / (night.sum() + 3 * morning.sum())
    assert both[is_low].sum() / both.sum() == pytest.approx(live)
    assert alone == pytest.approx(1.75 * night)
    assert unknown is None
