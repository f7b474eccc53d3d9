"""The rules of rollouts, all pure: waves, gates, the shadow's policy, and which state may follow which."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edgewright.contract.api import GateDraft, ReleaseRecord, ReleaseState, RolloutState
from edgewright.contract.errors import Conflict, InvalidInput, Refused
from edgewright.contract.order import Shadow
from edgewright.contract.report import Outcome
from edgewright.hub.packaging.model import ReleaseIsBad

SHADOW_MARGIN = 0.10
SHADOW_SIGMAS = 3.0
MAX_HOLD_S = 10.0
DELTA_PATIENCE_S = 300.0


class ReleaseNotReady(Refused):
    code = "release_not_ready"
    hint = "`edgewright release sign` and `edgewright release approve` make it ready."


class EmptyGroup(InvalidInput):
    code = "empty_group"
    hint = "`edgewright device ls` shows the devices and their labels; `edgewright group create` selects them."


class RolloutOverlaps(Conflict):
    code = "rollout_overlaps"
    hint = "Wait until it has ended, or end it: `edgewright rollout abort`."


class RolloutMovedOn(Conflict):
    code = "rollout_moved_on"


class WaveState(StrEnum):
    """Where a wave is."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


class DeploymentState(StrEnum):
    """Where one device's part in a rollout is."""

    PENDING = "pending"
    OFFERED = "offered"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


NEXT: dict[RolloutState, tuple[RolloutState, ...]] = {  # state of a rollout: states that may follow
    RolloutState.RUNNING: (RolloutState.PAUSED, RolloutState.DONE, RolloutState.HALTED, RolloutState.ABORTED),
    RolloutState.PAUSED: (RolloutState.RUNNING, RolloutState.ABORTED),
    RolloutState.DONE: (),
    RolloutState.HALTED: (),
    RolloutState.ABORTED: (),
}

_D = DeploymentState
_ANSWERS = (_D.COMMITTED, _D.ROLLED_BACK, _D.FAILED, _D.REFUSED)
NEXT_DEPLOYMENT: dict[DeploymentState, tuple[DeploymentState, ...]] = {
    _D.PENDING: (_D.OFFERED, _D.WITHDRAWN, *_ANSWERS),
    _D.OFFERED: (_D.WITHDRAWN, *_ANSWERS),
    _D.COMMITTED: (_D.ROLLED_BACK, _D.WITHDRAWN),  # a device may still go back by itself
    _D.ROLLED_BACK: (),
    _D.FAILED: (),
    _D.REFUSED: (),
    _D.WITHDRAWN: (),  # whatever the device still says: it was told to go back, and did not choose to
}

ACTIVE = tuple(state for state in RolloutState if not state.is_ended)
STARTED = (WaveState.RUNNING, WaveState.PASSED)
UNFINISHED = (WaveState.PENDING, WaveState.RUNNING)
OPEN = (DeploymentState.PENDING, DeploymentState.OFFERED)
LIVE = (*OPEN, DeploymentState.COMMITTED)
BROKEN = (DeploymentState.ROLLED_BACK, DeploymentState.FAILED, DeploymentState.REFUSED)


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
    """One device of a wave: where its deployment is, and when it was last heard of."""

    state: DeploymentState
    seen_at: float | None


@dataclass(frozen=True)
class WaveFacts:
    """A wave as a gate sees it.

    `late_failures` are devices of earlier waves that went wrong after their wave had passed. The hub has listened
    without a break since `listening_since`, in seconds since the epoch.
    """

    devices: tuple[DeviceFacts, ...]
    late_failures: int = 0
    listening_since: float = 0.0


@dataclass(frozen=True)
class Health:
    """The counts that a gate decides by. Away devices were not heard of for the gate's patience."""

    size: int
    committed: int
    failed: int
    waiting: int
    away: int


def next_state(state: RolloutState, wanted: RolloutState) -> RolloutState:
    """`wanted`, if it may follow `state`; raises RolloutMovedOn."""
    if wanted in NEXT[state]:
        return wanted
    able = ", ".join(NEXT[state]) or "nothing: it has ended"
    raise RolloutMovedOn(
        f"a rollout that is {state} cannot become {wanted}", field="rollout", hint=f"What may follow is {able}."
    )


def after_report(state: DeploymentState, outcome: Outcome) -> DeploymentState:
    """Where a deployment is once its device has reported `outcome`."""
    reported = DeploymentState(outcome.value)
    return reported if reported in NEXT_DEPLOYMENT[state] else state


def health(wave: WaveFacts, gate: GateDraft, now: float) -> Health:
    """Count where the devices of a wave are. Withdrawn ones count nowhere: they will not answer."""
    states = [device.state for device in wave.devices]
    open_ = [device for device in wave.devices if device.state in OPEN]
    away = sum(is_away(device.seen_at, wave.listening_since, gate.patience_s, now) for device in open_)
    return Health(
        size=len(states),
        committed=states.count(DeploymentState.COMMITTED),
        failed=sum(state in BROKEN for state in states) + wave.late_failures,
        waiting=len(open_) - away,
        away=away,
    )


def is_away(seen_at: float | None, listening_since: float, patience_s: float, now: float) -> bool:
    """Whether a device was not heard of for `patience_s`, in a time in which the hub did listen."""
    return now - max(seen_at or 0.0, listening_since) > patience_s


def decide(wave: WaveFacts, gate: GateDraft, now: float) -> Decision:
    """Say whether a wave advances, holds or rolls back; see docs/reference/gates.md.

    A device that is away does not hold up its wave: its deployment stays open and it catches up later.
    """
    seen = health(wave, gate, now)
    needed = max(1, math.ceil(gate.min_reported * seen.size - 1e-9))
    if seen.failed > gate.max_failed:
        return Decision(Action.ROLL_BACK, f"{seen.failed} failed, {gate.max_failed} may")
    if seen.committed + seen.waiting + seen.away < needed:
        return Decision(Action.ROLL_BACK, f"{seen.committed} of {seen.size} committed, no other can, {needed} must")
    if seen.waiting:
        return Decision(Action.HOLD, f"{seen.committed} of {seen.size} committed, {seen.waiting} at it")
    if seen.committed < needed:
        return Decision(Action.HOLD, f"{seen.committed} of {seen.size} committed, {seen.away} away, {needed} must")
    return Decision(Action.ADVANCE, f"{seen.committed} of {seen.size} committed, {seen.away} away")


def hold_s(tick: int) -> float:
    """How long a wave waits, unless a report wakes it, after its `tick`th look: longer while nothing happens."""
    return min(2.0 + 0.1 * tick, MAX_HOLD_S)


def shadow_policy(gate: GateDraft, expected_agreement: float | None) -> Shadow | None:
    """How far a candidate must agree with the running model on the device.

    A challenger that labelled data show to be better may disagree with its champion on purpose. Where their
    agreement there is known, the bar lies below it, if that is lower than the gate's: by `SHADOW_MARGIN`, since the
    field is not the hold-out, and by `SHADOW_SIGMAS` standard errors of a share of so few requests (binomial), since
    each of many devices must pass.
    """
    if gate.shadow_requests == 0:
        return None
    agreement = gate.shadow_agreement
    if expected_agreement is not None:
        expected = min(expected_agreement, 1.0)
        error = math.sqrt(expected * (1.0 - expected) / gate.shadow_requests)
        agreement = min(agreement, max(0.0, expected - SHADOW_MARGIN - SHADOW_SIGMAS * error))
    return Shadow(min_requests=gate.shadow_requests, min_agreement=agreement, max_wait_s=gate.shadow_wait_s)


def check_gate(gate: GateDraft) -> None:
    """Raise InvalidInput unless the gate's numbers can be met."""
    rules: tuple[tuple[str, float, Callable[[float], bool], str], ...] = (
        ("max_failed", gate.max_failed, lambda value: value >= 0, "0 or more"),
        ("min_reported", gate.min_reported, lambda value: 0 < value <= 1, "above 0 and at most 1"),
        ("patience_s", gate.patience_s, lambda value: 0 < value < math.inf, "above 0 seconds"),
        ("shadow_requests", gate.shadow_requests, lambda value: value >= 0, "0 or more"),
        ("shadow_agreement", gate.shadow_agreement, lambda value: 0 <= value <= 1, "between 0 and 1"),
        ("shadow_wait_s", gate.shadow_wait_s, lambda value: 0 <= value < math.inf, "0 seconds or more"),
    )
    for name, value, is_fine, wanted in rules:
        if not is_fine(value):
            raise InvalidInput(f"{name} is {value:g}", field=f"gate.{name}", hint=f"Choose {wanted}.")


def parse_release(text: str) -> tuple[str, int]:
    """Model and counter of '<model>/<counter>'; raises InvalidInput."""
    model, slash, counter = text.rpartition("/")
    if not slash or not model or not (counter.isascii() and counter.isdigit() and len(counter) < 10):
        raise InvalidInput(
            f"'{text}' names no release", field="release", hint="Write <model>/<counter>, as in digits/2."
        )
    return model, int(counter)


def check_ready(release: ReleaseRecord) -> None:
    """Raise ReleaseIsBad, or ReleaseNotReady saying what is missing."""
    if release.state is ReleaseState.BAD:
        raise ReleaseIsBad(f"release {release.id} is bad: {release.bad_reason}", field="release")
    if release.state is ReleaseState.READY:
        return
    missing = []
    if (short := release.signatures_needed - len(release.signatures)) > 0:
        missing.append(f"{short} signature(s)")
    if (short := release.approvals_needed - len(release.approvals)) > 0:
        missing.append(f"{short} approval(s)")
    raise ReleaseNotReady(
        f"release {release.id} is not ready: {' and '.join(missing) or 'its publication'} missing", field="release"
    )
