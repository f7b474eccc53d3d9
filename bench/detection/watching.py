"""All of our detectors on one stream, judged together, as the hub has them; and what an alarm is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from detection.worlds import World
from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors import Baseline, Change, Detector, Pane, Reads, detectors, over_all

HOUR_S = 3600.0
DAY_HOURS, WEEK_HOURS, MONTH_HOURS = 24, 168, 720
HOURLY_ROWS = 60
SEASON_KEEPS = 0.75
NEVER = float("inf")


@dataclass
class Watch:
    """The detectors of a segment, each with its state. After an alarm all start afresh, as after 'resolve'."""

    baseline: Baseline
    reads: Reads = Reads.COUNTS

    def __post_init__(self) -> None:
        self.detectors: dict[str, Detector[Any]] = {
            name: one for name, one in detectors().items() if self.reads in one.reads and not one.is_advice
        }
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.states = {name: one.fresh(self.baseline) for name, one in self.detectors.items()}

    def see(self, pane: Pane) -> dict[str, tuple[Change, ...]]:
        """One pane more; which detectors alarm, and what of."""
        for name, one in self.detectors.items():
            self.states[name] = one.step(self.states[name], self.baseline, pane)
        findings = {name: one.judge(self.states[name], self.baseline) for name, one in self.detectors.items()}
        return {name: one.alarmed for name, one in over_all(findings).items() if one.alarmed}


def hours(world: World, count: int, random: np.random.Generator, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """`count` hours of `HOURLY_ROWS` rows each."""
    for hour in range(start, start + count):
        yield hour, world.draw(HOURLY_ROWS, random)[0]


def pane_of(world: World, hour: int, rows: np.ndarray, expected: np.ndarray | None = None) -> Pane:
    """An hour as a pane."""
    return Pane(hour * HOUR_S, (hour + 1) * HOUR_S, float(len(rows)), world.profile(rows), expected=expected)


def false_alarms(watch: Watch, panes: Iterable[Pane]) -> list[str]:
    """The detectors behind each alarm; after one, all begin afresh."""
    found = []
    for pane in panes:
        alarmed = watch.see(pane)
        if alarmed:
            found.append("+".join(sorted(alarmed)))
            watch.reset()
    return found


def rows_to_alarm(watch: Watch, panes: Iterable[Pane], kind: AlertKind | None = None) -> tuple[float, str]:
    """Rows from the first pane to the alarm, and the first detector; never: infinity."""
    seen = 0.0
    for pane in panes:
        seen += pane.rows
        alarmed = watch.see(pane)
        for name in sorted(alarmed):
            if kind is None or watch.detectors[name].kind is kind:
                return seen, name
    return NEVER, ""
