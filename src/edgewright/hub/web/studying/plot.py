"""Where the points of a chart lie, in per cent of its width and height, so that it needs no script to be drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgewright.hub.web.studying.naming import Mark, Name, names_of

MARGIN = 0.06
"""The room around the outermost points, as a share of their span."""
TICKS_ACROSS, TICKS_UPWARDS = 4, 4
TICK_GAP = 18.0
FLAT = 1e-9
SPAN_ACROSS = 1.5
"""A chart spans at least this factor, so that a hair's breadth does not look like a mile."""
SPAN_UPWARDS = 0.01


@dataclass(frozen=True)
class Dot:
    """A trial with the two figures that it lies by. `kind` is 'front', 'recommended' or 'rest'."""

    name: str
    across: float
    upwards: float
    kind: str
    title: str


@dataclass(frozen=True)
class Stretch:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Plot:
    """One chart: costs across (in powers), quality upwards. `limits` are vertical (x) or horizontal (y) lines."""

    title: str
    label: str
    dots: tuple[Mark, ...]
    names: tuple[Name, ...]
    front: tuple[Stretch, ...]
    across: tuple[Mark, ...]
    upwards: tuple[Mark, ...]
    limits: tuple[Mark, ...]


@dataclass(frozen=True)
class Axis:
    """From values to per cent of a side, and values worth a tick. `write` says them."""

    low: float
    high: float
    is_log: bool
    write: Callable[[float], str]

    def place(self, value: float) -> float:
        """How far along the axis a value lies, in per cent; what lies beyond is held at its end."""
        low, high, at = (self._scaled(number) for number in (self.low, self.high, value))
        return round(100 * min(1.0, max(0.0, (at - low) / (high - low))), 2)

    def ticks(self, wanted: int) -> list[float]:
        """Round numbers along the axis."""
        inside = self._inside(_powers(self.low, self.high)) if self.is_log else []
        inside = inside if len(inside) > 1 else self._inside(_steps(self.low, self.high, wanted))
        return inside[:: math.ceil(len(inside) / wanted)] if len(inside) > wanted else inside

    def _inside(self, values: Sequence[float]) -> list[float]:
        return [value for value in values if self.low <= value <= self.high]

    def _scaled(self, value: float) -> float:
        return math.log(max(value, FLAT)) if self.is_log else value


def axis_across(values: Sequence[float], write: Callable[[float], str]) -> Axis:
    """An axis in powers around `values`, which are above 0."""
    low, high = math.log(max(min(values), FLAT)), math.log(max(*values, FLAT))
    short = max(0.0, math.log(SPAN_ACROSS) - (high - low)) / 2
    room = MARGIN * (high - low + 2 * short)
    return Axis(math.exp(low - short - room), math.exp(high + short + room), True, write)


def axis_upwards(values: Sequence[float], write: Callable[[float], str]) -> Axis:
    """An axis in even steps around `values`."""
    low, high = min(values), max(values)
    short = max(0.0, SPAN_UPWARDS - (high - low)) / 2
    room = 2 * MARGIN * (high - low + 2 * short)
    return Axis(low - short - room, high + short + room, False, write)


def plot(title: str, label: str, dots: Sequence[Dot], x: Axis, y: Axis, most: float, least: float) -> Plot:
    """A chart of `dots`, with its limits: at most `most` across (0 for none), at least `least` upwards."""
    ordered = sorted((dot for dot in dots if dot.kind != "rest"), key=lambda dot: (dot.across, dot.upwards))
    corners = [(x.place(dot.across), 100 - y.place(dot.upwards)) for dot in ordered]
    limits = [Mark(x.place(most), 0, x.write(most), "most")] if most and x.low <= most <= x.high else []
    limits += [Mark(0, 100 - y.place(least), y.write(least), "least")] if y.low <= least <= y.high else []
    drawn = sorted(dots, key=lambda dot: dot.kind != "rest")
    marks = [Mark(x.place(d.across), 100 - y.place(d.upwards), d.name, d.kind, d.title) for d in drawn]
    return Plot(
        title=title,
        label=label,
        dots=tuple(marks),
        names=tuple(names_of(marks)),
        front=tuple(Stretch(*one, *two) for one, two in pairwise(corners)),
        across=tuple(_spaced([Mark(x.place(value), 100, x.write(value)) for value in x.ticks(TICKS_ACROSS)])),
        upwards=tuple(Mark(0, 100 - y.place(value), y.write(value)) for value in y.ticks(TICKS_UPWARDS)),
        limits=tuple(limits),
    )


def _spaced(ticks: Sequence[Mark]) -> list[Mark]:
    """Without those whose text would lie over the one before, on the narrowest screen."""
    found: list[Mark] = []
    for tick in ticks:
        if not found or tick.x - found[-1].x >= TICK_GAP:
            found.append(tick)
    return found


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten around a range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]


def _steps(low: float, high: float, wanted: int) -> list[float]:
    """Even steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
