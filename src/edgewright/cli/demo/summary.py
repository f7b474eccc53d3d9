"""What the demonstration has to show for itself, from the hub's own records."""

from __future__ import annotations

import msgspec

from edgewright.contract.api import DeploymentRecord, VariantRecord


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """As the apps counted them."""

    total: int
    failed: int


class BadRelease(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the release that was trained on shuffled labels."""

    state: str
    devices_reached: int
    agreement: float
    why: str


class PowerCut(msgspec.Struct, frozen=True, kw_only=True):
    """The install step in which an agent was killed, and whether the device answered and finished."""

    killed_at: str
    recovered: bool


class OfflineDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The device that was away: it took one install to catch up, and all its rows arrived."""

    caught_up: bool
    installs: int
    rows_inferred: int
    rows_at_hub: int


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    detected: bool
    after_samples: int
    features: tuple[str, ...]
    devices: int
    other_model_flagged: bool


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """On the hold-out of the changed world, and on the old one, of champion and challenger."""

    before: float
    after: float
    old_world_before: float
    old_world_after: float
    rows: int


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What the repaired model cost on the link."""

    full_bytes: int
    sent_bytes: int


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    version: int
    target: str
    recipe: tuple[str, ...]
    accuracy: float
    latency_p50_ms: float
    bytes: int


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    entries: int
    verified: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The one JSON object of `edgewright demo --json`."""

    wall_s: float
    devices: int
    requests: Requests
    own_approval_refused: bool
    bad_release: BadRelease
    power_cut: PowerCut
    offline_device: OfflineDevice
    drift: Drift
    accuracy: Accuracy
    update: Update
    repair_s: float
    variants: tuple[Variant, ...]
    audit: AuditLine
    dashboard: str


def variant_line(record: VariantRecord) -> Variant:
    """A variant in the summary's words."""
    return Variant(
        model=record.model,
        version=record.version,
        target=record.target,
        recipe=record.recipe,
        accuracy=record.accuracy,
        latency_p50_ms=record.latency_p50_ms,
        bytes=record.size_bytes,
    )


def update_of(deployments: tuple[DeploymentRecord, ...]) -> Update:
    """Bytes of all deployments that were committed."""
    committed = [item for item in deployments if item.state == "committed"]
    return Update(
        full_bytes=sum(item.full_bytes for item in committed),
        sent_bytes=sum(item.received_bytes for item in committed),
    )
