"""Drift, alerts and usage."""

from __future__ import annotations

import msgspec


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's part in a drift: `effect` is the total variation from the reference, between 0 and 1."""

    feature: str
    effect: float
    evidence: float  # natural logarithm of the e-detector's value
    direction: str  # 'higher', 'lower', 'spread', 'missing', 'mix'


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A detected drift, with its explanation."""

    id: str
    model: str
    version: int
    detector: str
    since: float
    raised_at: float
    rows: int  # rows seen from `since` to the alarm
    features: tuple[FeatureDrift, ...]
    devices: tuple[str, ...]
    compared_with: str
    message: str
    state: str = "open"


class DriftPoint(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    rows: int
    effects: dict[str, float]


class DriftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of one version in the fleet: `evidence` alarms at `threshold`."""

    model: str
    version: int
    is_drifting: bool
    rows: int
    windows: int
    devices: int
    evidence: float
    threshold: float
    features: tuple[FeatureDrift, ...]
    series: tuple[DriftPoint, ...]
    alerts: tuple[AlertRecord, ...]


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one model version on one device, from its profiles."""

    device: str
    model: str
    version: int
    windows: int
    rows: int
    first_at: float
    last_at: float
