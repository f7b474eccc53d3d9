"""What rollouts, waves and deployments are, and which state may follow which. All pure."""

from __future__ import annotations

from enum import StrEnum

from edgewright.contract.api import ReleaseRecord, ReleaseState, RolloutState
from edgewright.contract.errors import Conflict, InvalidInput, Refused
from edgewright.contract.report import Outcome
from edgewright.hub.packaging.model import ReleaseIsBad

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
    WAITING = "waiting"  # its gate has passed it; a person lets the next one begin
    PASSED = "passed"
    FAILED = "failed"


class DeploymentState(StrEnum):
    """Where one device's part in a rollout is."""

    PENDING = "pending"
    ADMITTED = "admitted"  # under a lease, not yet told to its device
    OFFERED = "offered"  # under a lease, told
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    HELD = "held"  # out of its wave, until the directive that keeps its device from it is lifted


NEXT: dict[RolloutState, tuple[RolloutState, ...]] = {  # state of a rollout: states that may follow
    RolloutState.RUNNING: (RolloutState.PAUSED, RolloutState.DONE, RolloutState.HALTED, RolloutState.ABORTED),
    RolloutState.PAUSED: (RolloutState.RUNNING, RolloutState.ABORTED),
    RolloutState.DONE: (RolloutState.ABORTED,),  # rolled back by a person
    RolloutState.HALTED: (),
    RolloutState.ABORTED: (),
}

_D = DeploymentState
_ANSWERS = (_D.COMMITTED, _D.ROLLED_BACK, _D.FAILED, _D.REFUSED)
NEXT_DEPLOYMENT: dict[DeploymentState, tuple[DeploymentState, ...]] = {
    _D.PENDING: (_D.ADMITTED, _D.HELD, _D.WITHDRAWN, *_ANSWERS),
    _D.ADMITTED: (_D.PENDING, _D.OFFERED, _D.HELD, _D.WITHDRAWN, *_ANSWERS),
    _D.OFFERED: (_D.PENDING, _D.WITHDRAWN, *_ANSWERS),  # pending again: its lease has ended
    _D.HELD: (_D.PENDING, _D.WITHDRAWN, *_ANSWERS),  # it may have been told before its lease ended
    _D.COMMITTED: (_D.ROLLED_BACK, _D.WITHDRAWN),  # a device may still go back by itself
    _D.ROLLED_BACK: (),
    _D.FAILED: (),
    _D.REFUSED: (),
    _D.WITHDRAWN: (),  # whatever the device still says: it was told to go back, and did not choose to
}

ACTIVE = tuple(state for state in RolloutState if not state.is_ended)
STARTED = (WaveState.RUNNING, WaveState.WAITING, WaveState.PASSED)
UNFINISHED = (WaveState.PENDING, WaveState.RUNNING, WaveState.WAITING)
UNDER_WAY = (DeploymentState.ADMITTED, DeploymentState.OFFERED)
OPEN = (DeploymentState.PENDING, *UNDER_WAY)
UNENDED = (*OPEN, DeploymentState.HELD)
LIVE = (*UNENDED, DeploymentState.COMMITTED)
OUT = (DeploymentState.HELD, DeploymentState.WITHDRAWN)
"""Those who count for no wave: nobody waits for their answer."""
BROKEN = (DeploymentState.ROLLED_BACK, DeploymentState.FAILED, DeploymentState.REFUSED)


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


def hold_s(tick: int) -> float:
    """How long a wave waits, unless a report wakes it, after its `tick`th look: longer while nothing happens."""
    return min(2.0 + 0.1 * tick, MAX_HOLD_S)


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
