"""Devices, groups and claim tokens."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ClaimDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A claim token enrols `uses` devices, only of the class that `hardware` names (any, where it is empty)."""

    labels: dict[str, str] = {}
    count: int = 1
    expires_in_s: float = 86400.0
    uses: int = 1
    hardware: tuple[str, ...] = ()  # architectures or hardware ids; one of them must be the device's
    needs_approval: bool = False  # a person looks at each first contact before the device gets orders
    replaces: str = ""  # the device whose place the new board takes


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


class DeviceState(StrEnum):
    WAITING = "waiting"  # for a person to approve its first contact
    ACTIVE = "active"
    QUARANTINED = "quarantined"  # its key is in two places: no orders until a person decides
    RETIRED = "retired"  # taken out of service; its place may go to another board
    REVOKED = "revoked"


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
    poll_s: float | None = None  # how often it was told to check in, stretching included; None: as it is set itself
    hardware_ids: tuple[str, ...] = ()  # devicetree `compatible` strings
    providers: dict[str, tuple[str, ...]] = {}  # by runtime: what it computes with; left out where not known
    state: DeviceState = DeviceState.ACTIVE
    disk_free_bytes: int = 0
    accelerators: tuple[str, ...] = ()
    link_kind: str = ""
    time_zone: str = ""
    state_reason: str = ""
    replaces: str = ""  # the device whose place it took


class GroupDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A group by selector ('site=berlin,line=1'; 'all' for every device) or by a list of device ids."""

    name: str
    selector: str = ""
    devices: tuple[str, ...] = ()
    poll_s: float | None = None  # how often its devices check in; None: as the hub's settings say


class GroupEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What shall change of a group; None leaves a part as it is, and `poll_s` 0 takes the hub's settings again."""

    selector: str | None = None
    devices: tuple[str, ...] | None = None
    poll_s: float | None = None


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`devices` are the first of its members, in a list of groups none; GET /devices?group=NAME has them all."""

    name: str
    selector: str
    devices: tuple[str, ...]
    count: int
    created_at: float
    poll_s: float | None = None


class TermFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One term of a selector held against a device: what was found there under its name."""

    term: str
    holds: bool
    found: str


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a device is in a group, and why."""

    group: str
    device: str
    is_member: bool
    reason: str
    terms: tuple[TermFinding, ...] = ()


class LabelEdit(msgspec.Struct, frozen=True, kw_only=True):
    """Labels to set on a device, and names of labels to take off."""

    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a device's history. `id` is where a page goes on from: ask for what was `before` it."""

    id: str
    at: float
    kind: str
    by: str = ""  # the person, the device or the system
    what: str = ""
