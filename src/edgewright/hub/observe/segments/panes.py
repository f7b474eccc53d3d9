"""Turns waiting windows into the panes of segments: in order of time, with what each device may add capped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from edgewright.contract.api import AlertLevel
from edgewright.contract.profile import Profile
from edgewright.hub.observe.detectors import Devices, Pane
from edgewright.hub.observe.segments import table
from edgewright.hub.observe.segments.model import (
    MIN_WEEKS,
    MOST_OF_USUAL,
    Segment,
    hour_of_week,
    split_into_panes,
    week_of,
)
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
            counts=Profile.from_bytes(lens.schema, window["payload"]).counts.astype(np.float64),
            share=share,
        )
        for window, share in zip(windows, shares, strict=True)
    ]


def pane_of(seen: Sequence[Seen], expected: Floats | None = None, before: Floats | None = None) -> Pane:
    """These windows as one pane."""
    counts = np.sum([one.counts * one.share for one in seen], axis=0)
    rows = float(sum(one.rows * one.share for one in seen))
    start, end = (float(np.median([getattr(one, name) for one in seen])) for name in ("start", "end"))
    return Pane(start, end, rows, counts, expected=expected, before=before, devices=_devices(seen))


def with_season(
    connection: sa.Connection, lens: Lens, where: Segment, seen: Sequence[Seen], before: Floats | None
) -> Pane:
    """A pane with what the same hour of the week brought before, where two weeks of it are known."""
    pane = pane_of(seen, before=before)
    old = _season(connection, lens, where, pane)
    if old is None or old["weeks"] < MIN_WEEKS:
        return pane
    return pane_of(seen, table.unpack(old["past"], len(pane.counts)), before)


def remember(connection: sa.Connection, lens: Lens, where: Segment, pane: Pane) -> None:
    """Add a pane to what its hour of the week brings."""
    at = (pane.start + pane.end) / 2
    names = table.key(lens.model, lens.version, where)
    old = _season(connection, lens, where, pane)
    table.add_to_season(connection, names, hour_of_week(at), week_of(at), old, pane.counts)


def by_segment(seen: Sequence[Seen], cohorts: Mapping[str, Sequence[str]]) -> dict[Segment, list[Seen]]:
    """The windows of each cohort; `cohorts` are those of each device."""
    found: dict[Segment, list[Seen]] = {}
    for one in seen:
        for name in cohorts.get(one.device, ()):
            found.setdefault(Segment(AlertLevel.COHORT, name), []).append(one)
    return {where: some for where, some in found.items() if any(one.share > 0 for one in some)}


def _devices(seen: Sequence[Seen]) -> Devices:
    """What each device saw, uncapped: here each is compared with the others, and none is added to another."""
    counts: dict[str, Any] = {}
    for one in seen:
        counts[one.device] = counts.get(one.device, 0.0) + one.counts
    names = tuple(sorted(counts))
    return Devices(names, np.stack([counts[name] for name in names]))


def _season(connection: sa.Connection, lens: Lens, where: Segment, pane: Pane) -> sa.RowMapping | None:
    hour = hour_of_week((pane.start + pane.end) / 2)
    return table.season_of(connection, table.key(lens.model, lens.version, where), hour)
