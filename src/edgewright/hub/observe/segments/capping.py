"""Caps what one device adds to pooled panes: by the width of its windows, and by what is usual in an hour."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgewright.hub.observe.segments import table
from edgewright.hub.observe.segments.model import HOUR_S, is_large, shares_of_devices, shares_of_widths, usual_of
from edgewright.hub.observe.windows.lenses import Lens

DAY_HOURS = 24
MANY_DEVICES = 200
"""Of so many and more, what is usual is looked up once in five minutes."""
LOOKED_UP_S = 300.0
LEAST_MIXED = 10


@dataclass(frozen=True)
class Capped:
    """How much of each window counts, and what `note` saves of it."""

    shares: Sequence[float]
    is_large: bool  # the fleet is: one device in twenty is one at least
    hour: int
    rows: Sequence[Mapping[str, Any]]
    known: Collection[str]


class Caps:
    """Says how much of each window counts. What devices have claimed and added is kept, one row for each."""

    def __init__(self) -> None:
        self._usual: dict[tuple[str, int], tuple[float, float | None]] = {}

    def is_mixed(self, connection: sa.Connection, lens: Lens, waiting: int, now: float) -> bool:
        """Whether windows of devices enough wait: in a large fleet of half of those that were heard of of late.

        Else a few that lie could send when nobody else does, and outvote in a pane what all others say in the next.
        """
        hour = int(now // HOUR_S)
        fleet = max(waiting, table.active(connection, lens.model, lens.version, hour - DAY_HOURS))
        if not is_large(fleet):
            return True
        late = table.active(connection, lens.model, lens.version, hour - 1)
        return waiting >= max(LEAST_MIXED, late // 2)

    def look(self, connection: sa.Connection, lens: Lens, windows: Sequence[sa.RowMapping], now: float) -> Capped:
        """How much of each window counts, by its width and by how much its device has added in this hour."""
        widths = shares_of_widths([window["end"] - window["start"] for window in windows])
        hour = int(now // HOUR_S)
        devices = sorted({window["device"] for window in windows})
        known = table.shares(connection, lens.model, lens.version, devices)
        claimed, before = _claims(windows, widths, known, hour)
        usual = self._usual_of(connection, lens, now, claimed, before)
        used = {name: row["added"] for name, row in known.items() if row["hour"] == hour}
        claims = [(one["device"], one["rows"] * width) for one, width in zip(windows, widths, strict=True)]
        capped = shares_of_devices(claims, used, usual)
        added = dict.fromkeys(devices, 0.0) | used
        for (device, rows), share in zip(claims, capped, strict=True):
            added[device] += rows * share
        rows = [
            {"device": name, "claimed": claimed[name], "added": added[name], "claimed_before": before[name]}
            for name in devices
        ]
        shares = [width * share for width, share in zip(widths, capped, strict=True)]
        return Capped(shares, usual is not None, hour, rows, frozenset(known))

    def note(self, connection: sa.Connection, lens: Lens, capped: Capped) -> None:
        """Save what devices have claimed and added."""
        table.save_shares(connection, lens.model, lens.version, capped.hour, capped.rows, capped.known)

    def _usual_of(
        self,
        connection: sa.Connection,
        lens: Lens,
        now: float,
        claimed: Mapping[str, float],
        before: Mapping[str, float],
    ) -> float | None:
        """What devices of the version usually claim in an hour: of all that were heard of in the last day."""
        at, usual = self._usual.get((lens.model, lens.version), (0.0, None))
        if usual is not None and 0 <= now - at < LOOKED_UP_S:
            return usual
        others = table.claims(connection, lens.model, lens.version, int(now // HOUR_S) - DAY_HOURS, tuple(claimed))
        rows = [*others, *(max(rows, before[name]) for name, rows in claimed.items())]
        usual = usual_of(rows)
        if len(rows) >= MANY_DEVICES:
            self._usual[lens.model, lens.version] = (now, usual)
        return usual


def _claims(
    windows: Sequence[sa.RowMapping], widths: Sequence[float], known: Mapping[str, sa.RowMapping], hour: int
) -> tuple[dict[str, float], dict[str, float]]:
    """What each device claims in this hour with these windows, and what it claimed in the hour before."""
    claimed, before = {}, {}
    for name in {window["device"] for window in windows}:
        row = known.get(name)
        is_same = row is not None and row["hour"] == hour
        claimed[name] = float(row["claimed"]) if row is not None and is_same else 0.0
        before[name] = 0.0 if row is None else float(row["claimed_before"] if is_same else row["claimed"])
    for window, width in zip(windows, widths, strict=True):
        claimed[window["device"]] += window["rows"] * width
    return claimed, before
