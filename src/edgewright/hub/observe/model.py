"""When a drift is an alarm, and how it is explained: which features, which way, since when, on which devices. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import FeatureDrift
from edgewright.contract.profile import FeatureKind
from edgewright.hub.observe.detector import (
    THRESHOLD,
    Baseline,
    Floats,
    State,
    effects,
    evidence,
    feature_evidence,
    of_winners,
)

TOLERANCE = 0.1
"""Total variation that is no news, however sure: a tenth of the rows fall in other bins than in training."""
MIN_PANE_ROWS = 50
MAX_PANES_AT_ONCE = 20
WIDE = 4.0
"""Times the median width of those that wait: of a window that is wider, only so much counts as evidence."""
EVIDENCE_FLOOR = -100.0
DETECTOR = "e-detector"


@dataclass(frozen=True)
class Finding:
    """What the detector says now. `features` are all that are watched, the most evident first."""

    is_alarm: bool
    evidence: float
    features: tuple[FeatureDrift, ...]
    alarmed: tuple[str, ...]
    since: float
    rows: int


def judge(state: State, baseline: Baseline, tolerance: float = TOLERANCE) -> Finding:
    """Say what `state` means. An alarm takes the detector's value over its threshold, and a feature that is over
    the threshold by itself with an effect over `tolerance`."""
    sure, size = feature_evidence(state), effects(baseline, of_winners(state, state.recent))
    value = evidence(state)
    is_over = (sure >= THRESHOLD) & (size >= tolerance) & (value >= THRESHOLD)
    order = sorted(
        range(len(baseline.names)), key=lambda i: (-int(is_over[i]), -round(float(sure[i]), 1), -float(size[i]))
    )
    words = directions(state, baseline)
    first = order[0] if order else None
    return Finding(
        is_alarm=bool(is_over.any()),
        evidence=max(EVIDENCE_FLOOR, value),
        features=tuple(_feature_drift(baseline.names[i], size[i], sure[i], words[i]) for i in order),
        alarmed=tuple(baseline.names[i] for i in order if is_over[i]),
        since=0.0 if first is None else float(of_winners(state, state.since)[first]),
        rows=0 if first is None else int(of_winners(state, state.rows_since)[first]),
    )


def directions(state: State, baseline: Baseline) -> list[str]:
    """One word for each feature: 'higher', 'lower', 'spread' (both ways), 'missing' or 'mix' (of classes)."""
    recent = of_winners(state, state.recent)
    shares = recent / np.maximum(recent.sum(axis=1, keepdims=True), 1e-300)
    return [_direction(baseline, i, shares[i]) for i in range(len(baseline.names))]


def drifting_devices(
    baseline: Baseline, alarmed: Sequence[str], counts: Mapping[str, Floats], tolerance: float = TOLERANCE
) -> tuple[str, ...]:
    """Those devices whose own rows (features, groups) differ from the reference in an alarmed feature."""
    places = [baseline.names.index(name) for name in alarmed]
    found = [d for d, own in counts.items() if (effects(baseline, own, caution=1.0)[places] >= tolerance).any()]
    return tuple(sorted(found))


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


def _feature_drift(name: str, effect: float, sure: float, direction: str) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        effect=round(float(effect), 4),
        evidence=round(max(EVIDENCE_FLOOR, float(sure)), 3),
        direction=direction,
    )


def _direction(baseline: Baseline, feature: int, shares: Floats) -> str:
    missing = baseline.groups[feature] - 1
    change = shares[:missing] - baseline.shares[feature, :missing]
    if shares[missing] - baseline.shares[feature, missing] > np.abs(change).sum() / 2:
        return "missing"
    if baseline.kinds[feature] is FeatureKind.CATEGORICAL:
        return "mix"
    below = np.cumsum(change)
    lower, higher = max(0.0, float(below.max())), max(0.0, float(-below.min()))
    if min(lower, higher) > max(lower, higher) / 2:
        return "spread"
    return "higher" if higher > lower else "lower"
