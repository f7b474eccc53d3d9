"""The audit log, and everything at one glance."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api.fleet import DeviceRecord
from edgewright.contract.api.judging import JudgedLine
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


class RunningCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many devices run a version of a model."""

    model: str
    version: int
    devices: int


class FleetCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many devices there are, in which state, how many of the active ones are away, and what all of them run."""

    devices: int = 0
    states: dict[str, int] = {}  # by DeviceState; those that no device is in are left out
    away: int = 0
    running: tuple[RunningCount, ...] = ()


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the dashboard shows, in one reply: the page's JSON twin.

    Its size has bounds, whatever the fleet's: `devices` are 100 at most (those that wait for a person first, then those
    that are away, then by name), `rollouts` 100 at most (the newest 20 and live ones, without deployments), `runs` the
    newest 30. `fleet` and `rollout_counts` count all of them.
    """

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
    fleet: FleetCounts = msgspec.field(default_factory=FleetCounts)
    rollout_counts: dict[str, int] = {}  # by RolloutState
    judged: tuple[JudgedLine, ...] = ()  # the newest 50 evaluations
    approvals: int = 0  # steps and policies that wait for people, beside releases
