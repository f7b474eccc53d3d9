"""The audit log, and everything at one glance."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api.fleet import DeviceRecord
from edgewright.contract.api.keys import RoleRecord
from edgewright.contract.api.observation import DriftStatus
from edgewright.contract.api.registry import ModelRecord
from edgewright.contract.api.releases import ReleaseRecord
from edgewright.contract.api.rollouts import RolloutRecord
from edgewright.contract.api.runs import RunRecord


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    at: float
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    sha256: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    entries: int
    is_verified: bool
    head_sha256: str
    problem: str = ""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the dashboard shows, in one reply: the page's JSON twin."""

    at: float
    hub: str
    devices: tuple[DeviceRecord, ...]
    models: tuple[ModelRecord, ...]
    releases: tuple[ReleaseRecord, ...]
    rollouts: tuple[RolloutRecord, ...]
    drift: tuple[DriftStatus, ...]
    runs: tuple[RunRecord, ...]
    audit_entries: int
    roles: tuple[RoleRecord, ...] = ()
