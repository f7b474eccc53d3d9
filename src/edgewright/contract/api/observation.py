"""Drift by version, and usage."""

from __future__ import annotations

import msgspec

from edgewright.contract.api.alerts import AlertKind, AlertLevel, AlertRecord, FeatureDrift


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


class SegmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector says of one segment by itself: what it watches, and the feature that has changed most.

    `evidence` is the natural logarithm of the minutes until chance shows as much; alone it alarms at `threshold`.
    """

    level: AlertLevel
    segment: str
    detector: str
    kind: AlertKind
    watched: int
    evidence: float
    threshold: float
    feature: str = ""
    effect: float = 0.0
    tolerance: float = 0.0
    measure: str = ""
    compared_with: str = ""
    is_alarm: bool = False


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one model version on one device, from its profiles."""

    device: str
    model: str
    version: int
    windows: int
    rows: int
    first_at: float
    last_at: float
