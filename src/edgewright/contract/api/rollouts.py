"""Rollouts, waves, gates, budgets and deployments."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

Reason = Annotated[str, msgspec.Meta(max_length=500, pattern=r"\A[^\x00-\x08\x0b-\x1f\x7f]*\Z")]
"""Why a person steps in: text without control characters."""


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


class GateRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a gate on how the model behaves; docs/reference/gates.md lists the metrics.

    `limit` and `wait_s` are the metric's own where they are None. Where its evidence is missing, a rule holds the wave
    for `wait_s` after its devices have committed, and passes it then, saying so.
    """

    metric: str
    limit: float | None = None
    wait_s: float | None = None
    is_on: bool = True  # False leaves out a rule that is on for everybody


class GateDraft(msgspec.Struct, frozen=True, kw_only=True):
    """When a wave passes. `max_failed` devices may fail; a share of `min_reported` must have answered.

    `rules` are added to those that are on for everybody, or change them.
    """

    max_failed: int = 0
    min_reported: float = 0.5
    patience_s: float = 60.0  # who is silent for longer, and for three late check-ins, does not hold up its wave
    shadow_requests: int = 50  # 0: no shadow phase
    shadow_agreement: float = 0.9
    shadow_wait_s: float = 120.0
    rules: tuple[GateRule, ...] = ()


class WaveDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One wave: `count` or `percent` is a total with all waves before it, `selector` adds those devices of the group.

    Exactly one of the three is given. The last wave always takes in the rest.
    """

    count: int = 0
    percent: float = 0.0
    selector: str = ""
    soak_s: float = 0.0  # that must pass, with the gate passing, after its devices have committed
    gate: GateDraft | None = None  # None: the rollout's
    needs_promotion: bool = False  # a person lets the next wave begin


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """At most `max_unavailable` devices that agree in the label `per` are unavailable or at an install at a time.

    It holds for all rollouts of such devices together: what one has under way counts for the others.
    """

    per: str
    max_unavailable: int


class SiteCap(msgspec.Struct, frozen=True, kw_only=True):
    """What one site's line bears, a site being the devices that agree in the label `per`. 0 means no cap."""

    per: str
    max_at_once: int = 0
    bytes_s: float = 0.0


class ScheduleDraft(msgspec.Struct, frozen=True, kw_only=True):
    """When a rollout may touch devices: from `start_at` on, in `windows` of each device's own time zone."""

    start_at: float | None = None  # None: at once
    windows: tuple[str, ...] = ()  # 'mon-fri 22:00-05:00'; () for always
    max_defer_s: float = 0.0  # how long a device may put its install off (battery, busy); 0: not at all


class RolloutDraft(msgspec.Struct, frozen=True, kw_only=True):
    release: str
    group: str
    waves: tuple[int | WaveDraft, ...]  # a number is a WaveDraft with that count
    gate: GateDraft = GateDraft()
    target_of: dict[str, str] = {}  # target by device id; the rest get the best that fits
    target: str = ""  # one target for all; "" chooses by device
    schedule: ScheduleDraft = ScheduleDraft()
    budgets: tuple[Budget, ...] = ()
    caps: tuple[SiteCap, ...] = ()
    emergency: Reason = ""  # why waves, soaks, windows and budgets are passed over; kept in the audit log


class GateState(StrEnum):
    PASSED = "passed"
    HELD = "held"  # not enough is known yet, or it soaks
    FAILED = "failed"


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule of a gate says of a wave, and by which numbers."""

    metric: str
    state: GateState
    reason: str
    numbers: dict[str, float] = {}


class WaveRecord(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    size: int
    state: str  # pending, running, waiting (for a person), passed, failed
    committed: int
    failed: int
    waiting: int
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    soak_s: float = 0.0
    needs_promotion: bool = False
    committed_at: float | None = None  # since when its devices have done what they can: the soak's beginning
    verdicts: tuple[GateVerdict, ...] = ()
    held: int = 0  # taken out by directives: the wave does not count them
    under_way: int = 0  # of those that are waiting: admitted, and under a lease
    sent_bytes: int = 0  # that crossed the link, or shall by the order
    full_bytes: int = 0  # of the whole packages of those devices


class DirectiveKind(StrEnum):
    PIN = "pin"  # this device keeps this release, or gets it
    HOLD = "hold"  # this device is left alone by rollouts
    FORCE = "force"  # this device is offered this release whatever it did with it before


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants of one model on one device, beside every rollout."""

    device: str
    model: str
    kind: DirectiveKind
    counter: int = 0  # of the release; 0 with HOLD
    reason: str = ""
    by: str = ""
    at: float = 0.0


class DirectiveDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants of one model on one device. `counter` names the release; 0 with HOLD."""

    model: str
    kind: DirectiveKind
    counter: int = 0
    reason: Reason = ""


class DeploymentRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    device: str
    wave: int
    target: str
    state: str  # pending, admitted, offered, committed, rolled_back, failed, refused, withdrawn, held
    reason: str
    updated_at: float
    offered_at: float | None = None  # None: this device was never told to install it
    agreement: float | None = None
    planned_bytes: int = 0  # of the order: what shall cross the link
    received_bytes: int = 0
    full_bytes: int = 0
    used_delta: bool = False
    interruptions: int = 0
    lease_until: float | None = None  # until then it counts as under way at its site


class RolloutRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`deployments` are 200 at most, the broken ones first, and none in a list of rollouts.

    `devices` counts all, and `states` those in each state. `warnings` are what speaks against its plan, told as it
    starts alone.
    """

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
    devices: int = 0
    states: dict[str, int] = {}
    schedule: ScheduleDraft = ScheduleDraft()
    budgets: tuple[Budget, ...] = ()
    caps: tuple[SiteCap, ...] = ()
    emergency: str = ""
    warnings: tuple[str, ...] = ()


class RollbackDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken back: one wave of a rollout or (0) all, to what devices had before or (`to`) to that release."""

    reason: Reason = ""
    wave: int = 0
    to: int = 0  # a counter of the same model
    is_partly: bool = False  # those that can, even if others cannot


class RollbackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who goes back at once, as its spare slot holds what is wanted, and why the others cannot; 200 of each at most."""

    rollout: str
    devices: int
    stuck: int
    at_once: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    hint: str = ""


class DeploymentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a rollout's deployments; `after` asks for the next ones, '' where there are none."""

    deployments: tuple[DeploymentRecord, ...]
    after: str = ""
