"""Which windows of one process have come: their numbers as a few stretches, however many they are. Pure.

A window's id is `BOOT:NUMBER`, where BOOT names one life of one process and NUMBER counts its windows from 1; a window
that a device made of several others has an id of its own, which counts as a boot with the one number 0.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

MAX_STRETCHES = 2000
_ID = re.compile(r"(.{1,180}):(\d{1,15})", re.DOTALL)
Stretch = list[int]
"""The first and the last number of a stretch without gaps."""


def parse(id: str) -> tuple[str, int]:
    """The boot and the number that a window's id names."""
    found = _ID.fullmatch(id)
    return (found[1], int(found[2])) if found else (id, 0)


def has(stretches: Sequence[Stretch], number: int) -> bool:
    """Whether that one has come."""
    place = bisect.bisect_right(stretches, number, key=lambda one: one[0]) - 1
    return place >= 0 and number <= stretches[place][1]


def add(stretches: Sequence[Stretch], number: int) -> list[Stretch] | None:
    """The stretches with one number more; None where that would be too many of them, or it has come before."""
    if has(stretches, number):
        return None
    place = bisect.bisect_right(stretches, number, key=lambda one: one[0])
    grown = [list(one) for one in stretches]
    joins_left = place > 0 and grown[place - 1][1] == number - 1
    joins_right = place < len(grown) and grown[place][0] == number + 1
    if joins_left and joins_right:
        grown[place - 1][1] = grown.pop(place)[1]
    elif joins_left:
        grown[place - 1][1] = number
    elif joins_right:
        grown[place][0] = number
    else:
        grown.insert(place, [number, number])
    return grown if len(grown) <= MAX_STRETCHES else None
