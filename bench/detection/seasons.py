"""Weeks with a strong daily and weekly season and nothing else: what alarms there is wrong (A/A).

A digit's or a cell's class depends on the hour: the mix of classes turns round once a day (weights e^(1.5·cos)), and on
weekends the classes are another third each; half of the columns swing by half a standard deviation over the day, all
move by another half on weekends, and each day has a small mood of its own (normal, 0.02 standard deviations a column).
An hour brings 20 rows at night and 120 at noon. The training data are rows of all hours of such weeks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detection.observing import observed
from detection.watching import WEEK_HOURS, Watch, pane_of
from detection.worlds import N_REF, World
from edgewright.contract.profile import build_schema
from edgewright.hub.observe.detectors import Baseline

TEACHING_WEEKS = 3
MOOD_SD = 0.02
Hours = Iterator[tuple[int, np.ndarray]]


def seasonal_hours(world: World, weeks: int, random: np.random.Generator) -> Hours:
    """Hour by hour, the rows."""
    mood = np.zeros(world.rows.shape[1])
    for hour in range(weeks * WEEK_HOURS):
        if hour % 24 == 0:
            mood = random.normal(0, MOOD_SD, len(mood))
        turn = 2 * np.pi * (hour % 24) / 24
        is_weekend = hour % WEEK_HOURS >= 120
        classes = int(world.labels.max()) + 1
        places = np.arange(classes) / classes
        mix = np.exp(1.5 * np.cos(turn - 2 * np.pi * places - is_weekend * 2.1))
        count = int(random.poisson(70 - 50 * np.cos(turn)))
        rows = world.draw(count, random, mix / mix.sum())[0]
        swing = np.where(np.arange(len(mood)) % 2 == 0, 0.5 * np.sin(turn), 0.0) + 0.5 * is_weekend + mood
        yield hour, (rows + swing * world.spread).astype(np.float32)


def seasonal_baseline_rows(world: World, random: np.random.Generator) -> np.ndarray:
    """Rows of all hours of four weeks."""
    rows = np.concatenate([rows for _, rows in seasonal_hours(world, 4, random)])
    return rows[random.permutation(len(rows))[: 2 * N_REF]]


def seasonal_baseline(world: World, random: np.random.Generator) -> Baseline:
    """The reference: rows of all hours of four weeks."""
    rows = seasonal_baseline_rows(world, random)
    half = len(rows) // 2
    outputs = {"scores": world.scores(rows[half:])}
    return Baseline(build_schema(world.contract, world.name, 1, {"x": rows[:half]}, outputs), world.baseline.hold_out)


def weeks_with_alarms(world: World, weeks: int, random: np.random.Generator) -> list[str]:
    """For each week after the first three, the detectors that alarmed first against training, '' for none."""
    baseline = seasonal_baseline(world, random)
    place = World(world.name, world.rows, world.labels, world.seed)
    place.__dict__["schema"] = baseline.schema
    watch, found = Watch(baseline), [""] * weeks
    for hour, rows in seasonal_hours(world, TEACHING_WEEKS + weeks, random):
        week = hour // WEEK_HOURS - TEACHING_WEEKS
        if alarmed := watch.see(pane_of(place, hour, rows)):
            if week >= 0:
                found[week] = found[week] or "+".join(sorted(alarmed))
            watch.reset()
    return found


def weeks_with_alerts(world: World, weeks: int, random: np.random.Generator) -> list[str]:
    """For each week after the first three, the detector of the first alert that a hub raised, '' for none.

    It is the hub's own observation on a database of its own: what the hours of the first weeks bring it learns although
    it alarms at them, and a person resolves each alert as it comes.
    """
    baseline = seasonal_baseline(world, random)
    found = [""] * weeks
    with observed(world, baseline) as plant:
        for hour, rows in seasonal_hours(world, TEACHING_WEEKS + weeks, random):
            week = hour // WEEK_HOURS - TEACHING_WEEKS
            detector = plant.hour(hour, rows)
            if week >= 0:
                found[week] = found[week] or detector
    return found


def weeks_of_rows(world: World, weeks: int, random: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """A reference and whole weeks, for peers."""
    reference = seasonal_baseline_rows(world, random)
    hours = [rows for _, rows in seasonal_hours(world, weeks, random)]
    return reference, [np.concatenate(hours[at : at + WEEK_HOURS]) for at in range(0, len(hours), WEEK_HOURS)]
