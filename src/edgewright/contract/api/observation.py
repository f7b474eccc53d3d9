"""Drift by version, and usage."""

from __future__ import annotations

import msgspec

from edgewright.contract.api.alerts import AlertRecord, FeatureDrift


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
