"""Benches: packages of signed releases that enrolled devices measure, without installing them."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.report import Conditions, GoldenResult


class MeasurementState(StrEnum):
    """Where one measurement is."""

    PENDING = "pending"  # its device has not asked since
    OFFERED = "offered"  # its device has the order
    DONE = "done"
    REFUSED = "refused"  # the device will not load the package
    FAILED = "failed"  # the package crashed, hung, or answered wrongly there
    EXPIRED = "expired"  # its device was away, or busy, for too long
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether an answer may still be expected."""
        return self in (MeasurementState.PENDING, MeasurementState.OFFERED)


class BenchDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to measure, and where.

    With `devices`, each of them measures its package of each release (or those for `targets`). Without, each package
    (or those for `targets`) is measured by `per_target` devices that it fits. `calls` requests are timed.
    """

    releases: tuple[str, ...]
    devices: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    per_target: int = 1
    calls: int = 1000
    ttl_s: float = 86400.0


class MeasurementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One package on one device: milliseconds of single rows on one thread, peak bytes of the whole process.

    Figures are 0 unless `state` is done. `runtime` is its name and version, `provider` what it computed with.
    """

    id: str
    device: str
    device_name: str
    release: str
    target: str
    variant_sha256: str
    state: MeasurementState
    reason: str
    updated_at: float
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0
    memory_bytes: int = 0
    load_s: float = 0.0
    calls: int = 0
    runtime: str = ""
    provider: str = ""
    golden: GoldenResult | None = None
    before: Conditions | None = None
    after: Conditions | None = None


class BenchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A bench and its measurements; `skipped` says by device or target why something is not measured."""

    id: str
    releases: tuple[str, ...]
    measurements: tuple[MeasurementRecord, ...]
    skipped: dict[str, str]
    calls: int
    created_at: float
    created_by: str
    expires_at: float

    @property
    def is_over(self) -> bool:
        """Whether no measurement is open."""
        return not any(one.state.is_open for one in self.measurements)
