"""What becomes of a wave now: by how many of its devices have ended their install, and by its gate's verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgewright.contract.api import GateDraft, GateState, GateVerdict
from edgewright.hub.fleet import Seen
from edgewright.hub.rollout.model import BROKEN, OPEN, OUT, DeploymentState

POLLS = 3
LATE = 1.2
"""How much later than it was told a device may check in, as agents spread their check-ins (JITTER)."""


class Action(StrEnum):
    """What becomes of a wave now."""

    ADVANCE = "advance"
    HOLD = "hold"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True)
class Decision:
    """What a gate says, and why."""

    action: Action
    reason: str


@dataclass(frozen=True)
class DeviceFacts:
    """One device of a wave: where its deployment is, when it was last heard of, and how often it was told to be."""

    state: DeploymentState
    seen_at: float | None
    poll_s: float | None = None


@dataclass(frozen=True)
class WaveFacts:
    """A wave, device by device.

    `late_failures` are devices of earlier waves that went wrong after their wave had passed. The hub has listened
    without a break since `listening_since`, in seconds since the epoch.
    """

    devices: tuple[DeviceFacts, ...]
    late_failures: int = 0
    listening_since: float = 0.0


@dataclass(frozen=True)
class Health:
    """The counts that a gate decides by. Away devices were silent for longer than they may be; see `is_away`."""

    size: int
    committed: int
    failed: int
    waiting: int
    away: int
    committed_before: int = 0  # in earlier waves


def health(wave: WaveFacts, gate: GateDraft, now: float) -> Health:
    """Count where the devices of a wave are. Those held or withdrawn count nowhere: they will not answer."""
    states = [device.state for device in wave.devices]
    open_ = [device for device in wave.devices if device.state in OPEN]
    seen = [Seen(at=device.seen_at, poll_s=device.poll_s) for device in open_]
    away = sum(is_away(one, wave.listening_since, gate.patience_s, now) for one in seen)
    return Health(
        size=sum(state not in OUT for state in states),
        committed=states.count(DeploymentState.COMMITTED),
        failed=sum(state in BROKEN for state in states) + wave.late_failures,
        waiting=len(open_) - away,
        away=away,
    )


def is_away(seen: Seen, listening_since: float, patience_s: float, now: float) -> bool:
    """Whether a device was silent for longer than it may be, in a time in which the hub did listen."""
    return now - max(seen.at or 0.0, listening_since) > silence_s(patience_s, seen.poll_s)


def silence_s(patience_s: float, poll_s: float | None) -> float:
    """How long a device may be silent: for the gate's patience, and for three late check-ins as it was told at least.

    Of one that was told nothing (None) the hub does not know how often it checks in.
    """
    return max(patience_s, POLLS * LATE * (poll_s or 0.0))


def decide(seen: Health, gate: GateDraft, verdicts: Sequence[GateVerdict] = ()) -> Decision:
    """Say whether a wave advances, holds or rolls back; see docs/reference/gates.md.

    The installs come first, then the verdicts on how the model behaves: one that failed rolls back at once, one that
    holds keeps the wave from advancing. A device that is away does not hold up its wave: its deployment stays open
    and it catches up later.
    """
    by_counts = _by_counts(seen, gate)
    if by_counts.action is Action.ROLL_BACK:
        return by_counts
    failed = [verdict for verdict in verdicts if verdict.state is GateState.FAILED]
    if failed:
        return Decision(Action.ROLL_BACK, "; ".join(f"{verdict.metric}: {verdict.reason}" for verdict in failed))
    held = [verdict for verdict in verdicts if verdict.state is GateState.HELD]
    if by_counts.action is Action.ADVANCE and held:
        return Decision(Action.HOLD, "; ".join(f"{verdict.metric}: {verdict.reason}" for verdict in held))
    return by_counts


def _by_counts(seen: Health, gate: GateDraft) -> Decision:
    needed = max(1, math.ceil(gate.min_reported * seen.size - 1e-9))
    if seen.failed > gate.max_failed:
        return Decision(Action.ROLL_BACK, f"{seen.failed} failed, {gate.max_failed} may")
    if not seen.size and seen.committed_before:
        return Decision(Action.ADVANCE, "nobody of it is left")
    if not seen.size:
        return Decision(
            Action.HOLD, "nobody of it is left, none has committed before: waits for `edgewright rollout promote`"
        )
    if seen.committed + seen.waiting + seen.away < needed:
        return Decision(Action.ROLL_BACK, f"{seen.committed} of {seen.size} committed, no other can, {needed} must")
    if seen.waiting:
        return Decision(Action.HOLD, f"{seen.committed} of {seen.size} committed, {seen.waiting} at it")
    if seen.committed < needed:
        return Decision(Action.HOLD, f"{seen.committed} of {seen.size} committed, {seen.away} away, {needed} must")
    return Decision(Action.ADVANCE, f"{seen.committed} of {seen.size} committed, {seen.away} away")
