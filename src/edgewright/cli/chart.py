"""A small chart in text: points with names, as they lie by two figures, in 80 columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, FLAT_HEIGHT = 66, 11, 1
LABEL_CHARS = 9


@dataclass(frozen=True)
class Point:
    """A point with its name, or a mark of one character."""

    name: str
    across: float
    upwards: float


def scatter(points: Sequence[Point], across: Callable[[float], str], upwards: Callable[[float], str]) -> list[str]:
    """The lines of a chart; across grows in powers, since costs do. Points in one place stand side by side."""
    if not points:
        return []
    highest, lowest = max(p.upwards for p in points), min(p.upwards for p in points)
    height = HEIGHT if highest > lowest else FLAT_HEIGHT
    lefts = _places([_scaled(point.across) for point in points], WIDTH - 3)
    tops = _places([-point.upwards for point in points], height - 1)
    lines = [[" "] * WIDTH for _ in range(height)]
    for point, left, top in zip(points, lefts, tops, strict=True):
        free = _nearest_free(lines[top], left, len(point.name))
        lines[top][free : free + len(point.name)] = point.name
    labels = {height - 1: upwards(lowest), 0: upwards(highest)}
    drawn = [f"{labels.get(row, ''):>{LABEL_CHARS}} │{''.join(line).rstrip()}" for row, line in enumerate(lines)]
    least, most = across(min(p.across for p in points)), across(max(p.across for p in points))
    foot = f"{'':>{LABEL_CHARS}}  {least}{most:>{WIDTH - len(least)}}"
    return [*drawn, f"{'':>{LABEL_CHARS}} └{'─' * WIDTH}", foot]


def _nearest_free(line: Sequence[str], left: int, length: int) -> int:
    """Where a name of that length fits nearest to `left`; there, where it fits nowhere."""
    fits = (at for at in range(WIDTH - length + 1) if not "".join(line[max(0, at - 1) : at + length + 1]).strip())
    return min(fits, key=lambda at: abs(at - left), default=left)


def _scaled(value: float) -> float:
    return math.log(max(value, 1e-9))


def _places(values: Sequence[float], last: int) -> list[int]:
    """Where each value falls between 0 and `last`."""
    low, high = min(values), max(values)
    return [round(last * (value - low) / (high - low)) if high > low else 0 for value in values]
