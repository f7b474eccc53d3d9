"""Turns waiting windows into the panes of segments: in order of time, with what each device may add capped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from edgewright.contract.api import AlertLevel
from edgewright.contract.profile import Schema
from edgewright.hub.observe.detectors import Devices, Pane, unlike_training
from edgewright.hub.observe.segments import table
from edgewright.hub.observe.segments.model import (
    MIN_WEEKS,
    MOST_OF_USUAL,
    Segment,
    hour_of_week,
    split_into_panes,
    week_of,
)
from edgewright.hub.observe.segments.trimming import pooled
from edgewright.hub.observe.windows.lenses import Lens

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """One window as detectors see it: `counts` (slots,) and `rows` are those that it claims, `share` what counts."""

    device: str
    start: float
    end: float
    rows: float
    counts: Floats
    share: float
    noise: Floats | None = None  # the variance that privacy has added to each count


def cut(windows: Sequence[sa.RowMapping], shares: Sequence[float], *, is_large: bool) -> list[slice]:
    """Which windows make a pane of the whole version: the last one takes the rest. A large fleet has one of a batch."""
    parts = split_into_panes([window["rows"] * share for window, share in zip(windows, shares, strict=True)])
    if is_large or not parts:
        return [slice(0, len(windows))]
    return [*parts[:-1], slice(parts[-1].start, len(windows))]


def levelled(seen: Sequence[Seen]) -> list[Seen]:
    """The same windows with no device counting for more than twice the median one."""
    rows: dict[str, float] = {}
    for one in seen:
        rows[one.device] = rows.get(one.device, 0.0) + one.rows * one.share
    most = MOST_OF_USUAL * float(np.median(list(rows.values())))
    return [replace(one, share=one.share * min(1.0, most / max(rows[one.device], 1e-9))) for one in seen]


def read(lens: Lens, windows: Iterable[sa.RowMapping], shares: Iterable[float]) -> list[Seen]:
    """Windows with their counts."""
    return [
        Seen(
            device=window["device"],
            start=window["start"],
            end=window["end"],
            rows=float(window["rows"]),
            counts=lens.counts(window),
            share=share,
            noise=lens.noise(window),
        )
        for window, share in zip(windows, shares, strict=True)
    ]


def pane_of(
    schema: Schema,
    seen: Sequence[Seen],
    before: Floats | None = None,
    cohorts: Mapping[str, Sequence[str]] | None = None,
    *,
    is_large: bool = False,
) -> Pane:
    """These windows as one pane; of a large fleet trimmed, see trimming.py."""
    rows = float(sum(one.rows * one.share for one in seen))
    start, end = (float(np.median([getattr(one, name) for one in seen])) for name in ("start", "end"))
    if is_large:
        _, counts, of_each = _by_device(seen, is_weighed=True)
        total = pooled(schema, counts, of_each)
    else:
        total = np.sum([one.counts * one.share for one in seen], axis=0)
    names, own, _ = _by_device(seen, is_weighed=False)
    noise = [one.noise * one.share**2 for one in seen if one.noise is not None]
    spread = np.sum(noise, axis=0) if noise else None
    return Pane(start, end, rows, total, before=before, devices=Devices(names, own, cohorts or {}), noise=spread)


@dataclass(frozen=True)
class Lesson:
    """What one hour of one week has brought to a segment: `counts` (slots,)."""

    hour: int
    week: int
    counts: Floats


def lessons(schema: Schema, seen: Sequence[Seen], *, is_large: bool = False) -> list[Lesson]:
    """The windows of a pane by the hours in which they lie: at night a pane may take several to fill."""
    by_hour: dict[tuple[int, int], list[Seen]] = {}
    for one in seen:
        middle = (one.start + one.end) / 2
        by_hour.setdefault((week_of(middle), hour_of_week(middle)), []).append(one)
    return [
        Lesson(hour, week, pane_of(schema, some, is_large=is_large).counts)
        for (week, hour), some in sorted(by_hour.items())
    ]


def expected(connection: sa.Connection, lens: Lens, where: Segment, taught: Sequence[Lesson]) -> Floats | None:
    """What the same hours of the week brought before, where two weeks of each are known.

    Hours are mixed as they are in `taught`; the rows are as many as an estimate by one hour would need to be as sure.
    Features whose whole weeks are unlike training have nothing to expect there: no drift becomes usual.
    """
    names, slots, counting = table.key(lens.model, lens.version, where), lens.schema.offsets[-1], lens.schema.counting
    told = [one for one in taught if one.counts[counting].sum() > 0]
    known = [table.weeks_over(connection, names, one.hour, one.week, slots) for one in told]
    usual = np.array([counts for _, counts in known]).reshape(-1, slots)
    rows = usual[:, counting].sum(axis=1)
    if not told or min(weeks for weeks, _ in known) < MIN_WEEKS or rows.min() <= 0:
        return None
    parts = np.array([one.counts[counting].sum() for one in told])
    parts = parts / parts.sum()
    mixed = (parts / rows) @ usual / float((parts**2 / rows).sum())
    _, weeks = table.weeks_over(connection, names, table.ALL_HOURS, told[-1].week, slots)
    return np.where(unlike_training(lens.baseline, weeks), 0.0, mixed)


def remember(connection: sa.Connection, lens: Lens, where: Segment, lesson: Lesson) -> None:
    """Add what an hour brought to what it usually brings, and to what all hours do."""
    names = table.key(lens.model, lens.version, where)
    for hour in (lesson.hour, table.ALL_HOURS):
        old = table.season_of(connection, names, hour)
        table.add_to_season(connection, names, hour, lesson.week, old, lesson.counts)


def by_segment(seen: Sequence[Seen], cohorts: Mapping[str, Sequence[str]]) -> dict[Segment, list[Seen]]:
    """The windows of each cohort; `cohorts` are those of each device."""
    found: dict[Segment, list[Seen]] = {}
    for one in seen:
        for name in cohorts.get(one.device, ()):
            found.setdefault(Segment(AlertLevel.COHORT, name), []).append(one)
    return {where: some for where, some in found.items() if any(one.share > 0 for one in some)}


def _by_device(seen: Sequence[Seen], *, is_weighed: bool) -> tuple[tuple[str, ...], Floats, Floats]:
    """Each device's name, counts and rows: as they are pooled, or as it has told them."""
    names = tuple(sorted({one.device for one in seen}))
    place = {name: number for number, name in enumerate(names)}
    counts, rows = np.zeros((len(names), len(seen[0].counts))), np.zeros(len(names))
    for one in seen:
        weight = one.share if is_weighed else 1.0
        counts[place[one.device]] += one.counts * weight
        rows[place[one.device]] += one.rows * weight
    return names, counts, rows
