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


def with_season(
    connection: sa.Connection,
    lens: Lens,
    where: Segment,
    seen: Sequence[Seen],
    before: Floats | None,
    cohorts: Mapping[str, Sequence[str]],
    *,
    is_large: bool = False,
) -> Pane:
    """A pane with what the same hour of the week brought before, where two weeks of it are known.

    Features whose whole weeks are unlike training have nothing to expect there: no drift becomes usual.
    """
    pane = pane_of(lens.schema, seen, before, cohorts, is_large=is_large)
    names, week, slots = table.key(lens.model, lens.version, where), week_of(_middle(pane)), len(pane.counts)
    weeks, usual = table.weeks_over(connection, names, _hour(pane), week, slots)
    if weeks < MIN_WEEKS:
        return pane
    _, whole = table.weeks_over(connection, names, table.ALL_HOURS, week, slots)
    return replace(pane, expected=np.where(unlike_training(lens.baseline, whole), 0.0, usual))


def remember(connection: sa.Connection, lens: Lens, where: Segment, pane: Pane) -> None:
    """Add a pane to what its hour of the week brings, and to what all hours do."""
    names = table.key(lens.model, lens.version, where)
    for hour in (_hour(pane), table.ALL_HOURS):
        old = table.season_of(connection, names, hour)
        table.add_to_season(connection, names, hour, week_of(_middle(pane)), old, pane.counts)


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


def _middle(pane: Pane) -> float:
    return (pane.start + pane.end) / 2


def _hour(pane: Pane) -> int:
    return hour_of_week(_middle(pane))
