"""Devices, groups and claim tokens."""

from __future__ import annotations

import msgspec


class ClaimDraft(msgspec.Struct, frozen=True, kw_only=True):
    labels: dict[str, str] = {}
    count: int = 1
    expires_in_s: float = 86400.0


class ClaimReply(msgspec.Struct, frozen=True, kw_only=True):
    tokens: tuple[str, ...]
    expires_at: float


class DeviceModel(msgspec.Struct, frozen=True, kw_only=True):
    """Reported state of one model on a device; `desired_counter` is what the hub wants there (0: nothing)."""

    model: str
    version: int
    counter: int
    step: str
    desired_counter: int = 0
    bad_counters: tuple[int, ...] = ()


class DeviceRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    labels: dict[str, str]
    arch: str
    cores: int
    ram_bytes: int
    runtimes: dict[str, str]
    agent_version: str
    enrolled_at: float
    last_seen_at: float | None
    is_revoked: bool
    models: tuple[DeviceModel, ...] = ()
    backlog: int = 0
    hardware_ids: tuple[str, ...] = ()  # devicetree `compatible` strings
    providers: dict[str, tuple[str, ...]] = {}  # by runtime: what it computes with; left out where not known


class GroupDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A group by selector ('site=berlin,line=1'; 'all' for every device) or by a list of device ids."""

    name: str
    selector: str = ""
    devices: tuple[str, ...] = ()


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    selector: str
    devices: tuple[str, ...]
    count: int
    created_at: float
