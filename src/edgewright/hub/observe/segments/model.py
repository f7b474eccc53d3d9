"""Segments: parts of a version's fleet that are watched by themselves, and what one device may add to one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.contract.api import AlertKind, AlertLevel
from edgewright.hub.observe.alerts.model import label_of
from edgewright.hub.observe.detectors import Baseline

Floats = npt.NDArray[np.float64]

MIN_PANE_ROWS = 50
MAX_PANES_AT_ONCE = 20
WIDE = 4.0
"""Times the median width of those that wait: of a window that is wider, only so much counts as evidence."""
LIARS = 0.05
"""The share of devices that may lie, and change nothing."""
MOST_OF_USUAL = 2.0
"""Times what a device usually adds in an hour (the median over devices): so much one can add to a pooled pane."""
MAX_COHORTS = 200
SEASON_KEEPS = 0.75
"""The weight of all weeks before beside the newest one, in what is expected of an hour of the week."""
MIN_WEEKS = 2
HOUR_S = 3600.0
WEEK_HOURS = 168
LABELLED = (AlertKind.CONCEPT_DRIFT, AlertKind.BIAS)
WATCHED = {  # level: the kinds of trouble that are looked for there
    AlertLevel.VERSION: frozenset(AlertKind),
    AlertLevel.COHORT: frozenset(AlertKind) - {AlertKind.ODD_DEVICE, AlertKind.BIAS, AlertKind.CONCEPT_DRIFT},
    AlertLevel.FLEET: frozenset({AlertKind.LATENCY, AlertKind.RESOURCES, AlertKind.FEEDBACK}),
    AlertLevel.DEVICE: frozenset({AlertKind.ODD_DEVICE}),
}


class Segment(NamedTuple):
    """A part of a version's fleet: `name` is '' for all of it, 'label=value' for a cohort."""

    level: AlertLevel
    name: str = ""


WHOLE = Segment(AlertLevel.VERSION)


def is_watched(segment: Segment, kind: AlertKind) -> bool:
    """Whether that kind of trouble is looked for in that segment."""
    return kind in WATCHED[segment.level]


def watched_cohorts(known: Collection[str]) -> frozenset[str]:
    """Those cohorts that are watched: of labels with two values at least, and as many as there is room for."""
    counts: dict[str, list[str]] = {}
    for name in sorted(known):
        counts.setdefault(label_of(name), []).append(name)
    several = [name for names in counts.values() if len(names) > 1 for name in names]
    return frozenset(several[:MAX_COHORTS])


def shares_of_widths(widths_s: Sequence[float]) -> list[float]:
    """How much of each waiting window the detectors see: all, but of hours and days no more than of some minutes.

    Else the days that a device condensed while it was away would outvote what all devices see now.
    """
    most_s = WIDE * float(np.median(widths_s)) if widths_s else 0.0
    return [most_s / width_s if width_s > most_s > 0 else 1.0 for width_s in widths_s]


def shares_of_devices(
    claims: Sequence[tuple[str, float]], used: Mapping[str, float], usual: float | None
) -> list[float]:
    """How much of each window (device, rows), in order, may count in pooled panes.

    `used` is what each device has added in this hour, `usual` what devices usually add in one: None where there are
    too few of them for one in twenty to be a device. A device that claims more than twice as much as is usual is not
    believed the rest.
    """
    if usual is None:
        return [1.0] * len(claims)
    left = {device: MOST_OF_USUAL * usual - used.get(device, 0.0) for device, _ in claims}
    found = []
    for device, rows in claims:
        share = min(1.0, max(0.0, left[device]) / rows) if rows > 0 else 0.0
        left[device] -= rows * share
        found.append(share)
    return found


def usual_of(rows: Collection[float]) -> float | None:
    """What a device usually adds in an hour: the median; None where there are fewer than twenty."""
    return float(np.median(list(rows))) if is_large(len(rows)) else None


def is_large(devices: int) -> bool:
    """Whether one in twenty of a fleet is a device at least."""
    return devices * LIARS >= 1


def stands_without_liars(
    baseline: Baseline, features: Collection[str], devices: Mapping[str, Floats], tolerance: float
) -> bool:
    """Whether a drift stays large where the devices that make most of it, one in twenty, are left out.

    `devices` are each one's counts (slots,) of late; each counts for the same here, however many rows it claims. A
    fleet of fewer than twenty has nobody to leave out.
    """
    out = int(len(devices) * LIARS)
    groups = baseline.groups
    places = [place for place, name in enumerate(groups.names) if name in features]
    if not out or not places:
        return True
    counts = groups.of_each(np.stack([devices[name] for name in sorted(devices)]))[:, places]
    rows = counts.sum(axis=-1)
    usual = np.median(rows)
    weighed = counts * np.where(rows > 0, np.minimum(1.0, usual / np.maximum(rows, 1e-9)), 0.0)[..., None]
    return any(
        _left(weighed[:, i], groups.shares[place], out, groups.n_ref[place], groups.sizes[place]) >= tolerance
        for i, place in enumerate(places)
    )


def _left(counts: Floats, shares: Floats, out: int, n_ref: float, size: int) -> float:
    """The total variation of (devices, groups) from `shares`, without the `out` devices that push most that way."""
    pooled = counts.sum(axis=0)
    total = max(pooled.sum(), 1e-9)
    way = np.sign(pooled / total - shares)
    push = ((counts - counts.sum(axis=1, keepdims=True) * shares) * way).sum(axis=1)
    kept = counts[np.argsort(push, kind="stable")[: len(counts) - out]].sum(axis=0)
    noise = size * (6 / max(n_ref, 1) + 1 / max(kept.sum(), 1)) / (2 * np.pi)
    apart = 0.5 * float(np.abs(kept / max(kept.sum(), 1e-9) - shares).sum())
    return float(np.sqrt(max(0.0, apart**2 - noise)))


def split_into_panes(rows: Sequence[float]) -> list[slice]:
    """Cut waiting windows, in order, into panes of enough rows each; too few rows at the end wait on."""
    wanted = max(MIN_PANE_ROWS, sum(rows) / MAX_PANES_AT_ONCE)
    panes, start, held = [], 0, 0.0
    for end, count in enumerate(rows, start=1):
        held += count
        if held >= wanted or (end == len(rows) and held >= MIN_PANE_ROWS):
            panes.append(slice(start, end))
            start, held = end, 0.0
    return panes


def hour_of_week(at: float) -> int:
    """The hour of the week (UTC; 0 is Thursday's first, the epoch's) in which a moment lies."""
    return int(at // HOUR_S) % WEEK_HOURS


def week_of(at: float) -> int:
    """The number of the week in which a moment lies."""
    return int(at // (HOUR_S * WEEK_HOURS))
