"""Where the names of dots stand on a chart, so that none lies over another: pure geometry in per cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEAR_X, NEAR_Y, NAMES_TOLD = 6.0, 8.0, 3
"""Dots that lie nearer than this share a name, which lists so many of them."""
CHAR_WIDTH, LINE_HEIGHT = 2.4, 8.0
"""What a character and a line take of a chart on the narrowest screen."""
BESIDE, ABOVE, BELOW = 3.0, -6.0, 7.0


@dataclass(frozen=True)
class Mark:
    """A dot, a tick, or a limit on the chart; `x` and `y` are per cent from the left and from the top."""

    x: float
    y: float
    text: str
    kind: str = ""
    title: str = ""


@dataclass(frozen=True)
class Name:
    """What stands beside a dot: right of it or left, above or below."""

    x: float
    y: float
    text: str
    kind: str
    is_left: bool
    is_below: bool

    def overlaps(self, other: Name) -> bool:
        """Whether the two texts would touch."""
        (start, end, height), (low, high, level) = self._box(), other._box()
        return start < high and low < end and abs(height - level) < LINE_HEIGHT

    def _box(self) -> tuple[float, float, float]:
        width = CHAR_WIDTH * len(self.text)
        start = self.x - BESIDE - width if self.is_left else self.x + BESIDE
        return start, start + width, self.y + (BELOW if self.is_below else ABOVE)


def names_of(marks: Sequence[Mark]) -> list[Name]:
    """Names of dots, those of the front first. One of the rest that finds no place is left to the table."""
    found: list[Name] = []
    for place in sorted(_clusters(marks), key=lambda place: place[-1].kind == "rest"):
        free = next((name for name in _ways(place) if not any(name.overlaps(other) for other in found)), None)
        if free is not None:
            found.append(free)
        elif place[-1].kind != "rest":
            found.append(_ways(place)[0])
    return found


def _clusters(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Dots by the place that they share; the last of each lies on top."""
    places: list[list[Mark]] = []
    for mark in marks:
        near = next((one for one in places if _is_near(one[-1], mark)), [])
        places = [*(one for one in places if one is not near), [*near, mark]]
    return places


def _is_near(one: Mark, other: Mark) -> bool:
    return abs(one.x - other.x) < NEAR_X and abs(one.y - other.y) < NEAR_Y


def _ways(place: Sequence[Mark]) -> list[Name]:
    """The ways in which a name may stand by its dot, the best first; none leaves the chart."""
    top, text = place[-1], _listed([mark.text for mark in place])
    width = BESIDE + CHAR_WIDTH * len(text)
    sides = [is_left for is_left in (False, True) if (top.x >= width if is_left else top.x + width <= 100)] or [False]
    return [Name(top.x, top.y, text, top.kind, is_left, is_below) for is_below in (False, True) for is_left in sides]


def _listed(names: Sequence[str]) -> str:
    """The last ones by name, since they lie on top; the others as a number."""
    left_out = len(names) - NAMES_TOLD
    return f"{', '.join(names[-NAMES_TOLD:])} +{left_out}" if left_out > 0 else ", ".join(names)
