"""What waits, in the order of its worth: reports of installs and benches, faults, profile windows, samples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from edgewright.contract.report import BenchReport, Fault, InstallReport, ProfileWindow, Record

FRESH_S = 86_400.0
"""Windows that ended no longer than this before the newest one: people can still act on what they say."""


class Kind(IntEnum):
    """Kinds of records, the worthiest first."""

    REPORT = 0
    FAULT = 1
    WINDOW = 2
    SAMPLE = 3


class Place(NamedTuple):
    """Where a record lies, and what its worth depends on. `end` is when it ended, in seconds since the epoch."""

    segment: str
    offset: int
    size_bytes: int
    id: str
    kind: Kind
    model: str
    end: float
    rows: int


def place(segment: str, offset: int, size_bytes: int, record: Record) -> Place:
    """The place of a record."""
    at = (segment, offset, size_bytes, record.id)
    if isinstance(record, InstallReport | BenchReport):
        return Place(*at, Kind.REPORT, record.model, record.at, 0)
    if isinstance(record, ProfileWindow):
        return Place(*at, Kind.WINDOW, record.model, record.end, record.rows)
    if isinstance(record, Fault):
        return Place(*at, Kind.FAULT, "", record.at, 0)
    return Place(*at, Kind.SAMPLE, record.model, record.at, 1)


def in_order(places: Iterable[Place], doubted: Collection[str]) -> list[Place]:
    """The worthiest first.

    What was sent without an answer goes again before others of its kind: so little stays in doubt. Fresh windows go
    before older ones, the newest first; models take turns. Within the other kinds the first come first, by models in
    turns.
    """
    waiting = list(places)
    newest = newest_end(waiting)
    groups: Counter[tuple[Kind, bool, str]] = Counter()
    ranked = []
    for one in sorted(waiting, key=_in_line):
        is_old = one.kind is Kind.WINDOW and one.end < newest - FRESH_S
        group = (one.kind, is_old, one.model)
        ranked.append(((one.kind, one.id not in doubted, is_old, groups[group], one.model), one))
        groups[group] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [one for _, one in ranked]


def newest_end(places: Iterable[Place]) -> float:
    """When the newest window ended; 0 where there is none."""
    return max((one.end for one in places if one.kind is Kind.WINDOW), default=0.0)


def least_worthy(
    segments: Mapping[str, list[Place]], counted: Mapping[str, int], excess_bytes: int, fault_bytes: int
) -> list[str]:
    """Which segments to give up whole to be rid of `excess_bytes`; `counted` says what each counts as.

    Those with faults beyond the newest `fault_bytes` go first, then those of samples, then of windows, each the oldest
    first. A segment that holds an install report, or one of those faults, is never among them.
    """
    surplus = _surplus_faults(segments, counted, fault_bytes)
    droppable = [(name, places) for name, places in segments.items() if min(one.kind for one in places) >= Kind.WINDOW]
    droppable.sort(key=lambda item: (-min(one.kind for one in item[1]), max(one.end for one in item[1])))
    given_up: list[str] = []
    for name in [*surplus, *(name for name, _ in droppable)]:
        if excess_bytes <= 0:
            break
        given_up.append(name)
        excess_bytes -= counted[name]
    return given_up


def _surplus_faults(segments: Mapping[str, list[Place]], counted: Mapping[str, int], fault_bytes: int) -> list[str]:
    """Segments with faults, the oldest first, without the newest of together `fault_bytes`."""
    held = [name for name, places in segments.items() if min(one.kind for one in places) is Kind.FAULT]
    held.sort(key=lambda name: max(one.end for one in segments[name]))
    while held and fault_bytes >= counted[held[-1]]:
        fault_bytes -= counted[held.pop()]
    return held


def _in_line(one: Place) -> tuple[float, str, int]:
    """Windows from the newest back, everything else as it was written."""
    return (-one.end if one.kind is Kind.WINDOW else 0.0, one.segment, one.offset)
