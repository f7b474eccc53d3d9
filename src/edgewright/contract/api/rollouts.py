"""Rollouts, waves, gates and deployments."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RolloutState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    HALTED = "halted"  # a gate stopped it and its devices go back
    ABORTED = "aborted"  # a person stopped it and its devices go back

    @property
    def is_ended(self) -> bool:
        """Whether a rollout in this state never changes again."""
        return self in (RolloutState.DONE, RolloutState.HALTED, RolloutState.ABORTED)


class GateDraft(msgspec.Struct, frozen=True, kw_only=True):
    """When a wave passes. `max_failed` devices may fail; a share of `min_reported` must have answered."""

    max_failed: int = 0
    min_reported: float = 0.5
    patience_s: float = 60.0  # a device that was not heard of for so long does not hold up its wave
    shadow_requests: int = 50  # 0: no shadow phase
    shadow_agreement: float = 0.9
    shadow_wait_s: float = 120.0


class RolloutDraft(msgspec.Struct, frozen=True, kw_only=True):
    release: str
    group: str
    waves: tuple[int, ...]  # rising device counts; the last wave always takes in the whole group
    gate: GateDraft = GateDraft()
    target_of: dict[str, str] = {}  # target by device id; the rest get the best that fits
    target: str = ""  # one target for all; "" chooses by device


class WaveRecord(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    size: int
    state: str  # pending, running, passed, failed
    committed: int
    failed: int
    waiting: int
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""


class DeploymentRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    device: str
    wave: int
    target: str
    state: str  # pending, offered, committed, rolled_back, failed, refused, withdrawn
    reason: str
    updated_at: float
    offered_at: float | None = None  # None: this device was never told to install it
    agreement: float | None = None
    planned_bytes: int = 0  # of the order: what shall cross the link
    received_bytes: int = 0
    full_bytes: int = 0
    used_delta: bool = False
    interruptions: int = 0


class RolloutRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    release: str
    model: str
    version: int
    counter: int
    group: str
    state: RolloutState
    reason: str
    gate: GateDraft
    waves: tuple[WaveRecord, ...]
    deployments: tuple[DeploymentRecord, ...]
    created_at: float
    created_by: str
    ended_at: float | None = None
