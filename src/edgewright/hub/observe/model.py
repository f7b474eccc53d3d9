"""When a drift is an alarm, and how it is explained: which features, which way, since when, on which devices. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from edgewright.contract.api import FeatureDrift
from edgewright.hub.observe.detectors import Change, Finding
from edgewright.hub.observe.detectors.drift.effects import TOLERANCE as TOLERANCE

MIN_PANE_ROWS = 50
MAX_PANES_AT_ONCE = 20
WIDE = 4.0
"""Times the median width of those that wait: of a window that is wider, only so much counts as evidence."""
DETECTOR = "multinomial"


def drifts(changes: Sequence[Change]) -> tuple[FeatureDrift, ...]:
    """What changed, as it is told."""
    return tuple(
        FeatureDrift(
            feature=one.feature,
            effect=round(one.effect, 4),
            evidence=round(one.evidence, 3),
            direction=one.direction,
        )
        for one in changes
    )


def alarmed_features(finding: Finding) -> tuple[FeatureDrift, ...]:
    """Those features that alarm."""
    return drifts(finding.alarmed)


def shares_of(widths_s: Sequence[float]) -> list[float]:
    """How much of each waiting window the detector sees: all, but of hours and days no more than of some minutes.

    Else the days that a device condensed while it was away would outvote what all devices see now.
    """
    most_s = WIDE * float(np.median(widths_s)) if widths_s else 0.0
    return [most_s / width_s if width_s > most_s > 0 else 1.0 for width_s in widths_s]


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


def say(model: str, version: int, since: float, features: Sequence[FeatureDrift], devices: Sequence[str]) -> str:
    """An alert in one sentence."""
    named = ", ".join(f"{feature.feature} ({feature.direction}, {feature.effect:.2f})" for feature in features[:4])
    more = f" and {len(features) - 4} more" if len(features) > 4 else ""
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(since))
    where = f"on {len(devices)} device{'s' * (len(devices) != 1)}"
    return f"{model} version {version} sees other data than in training since {moment}, {where}: {named}{more}"
