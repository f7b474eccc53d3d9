"""The states of a device and who may lead from which to which: pure."""

from __future__ import annotations

from enum import StrEnum

from edgewright.contract.api import DeviceState
from edgewright.contract.errors import Conflict

MAX_REASON_CHARS = 300


class DeviceMovedOn(Conflict):
    code = "device_moved_on"
    hint = "`edgewright device show DEVICE` tells its state, and why."


class Step(StrEnum):
    """What changes a device's state; all but QUARANTINE are people's."""

    APPROVE = "approve"
    REJECT = "reject"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    RETIRE = "retire"
    REVOKE = "revoke"


_HERE = (DeviceState.WAITING, DeviceState.ACTIVE, DeviceState.QUARANTINED)

NEXT: dict[Step, tuple[tuple[DeviceState, ...], DeviceState]] = {  # step: (from any of these, to this)
    Step.APPROVE: ((DeviceState.WAITING,), DeviceState.ACTIVE),
    Step.REJECT: ((DeviceState.WAITING,), DeviceState.REVOKED),
    Step.QUARANTINE: ((DeviceState.ACTIVE,), DeviceState.QUARANTINED),
    Step.RELEASE: ((DeviceState.QUARANTINED,), DeviceState.ACTIVE),
    Step.RETIRE: (_HERE, DeviceState.RETIRED),
    Step.REVOKE: ((*_HERE, DeviceState.RETIRED), DeviceState.REVOKED),
}

EVENTS = {
    Step.APPROVE: "fleet.approved",
    Step.REJECT: "fleet.rejected",
    Step.QUARANTINE: "fleet.quarantined",
    Step.RELEASE: "fleet.released",
    Step.RETIRE: "fleet.retired",
    Step.REVOKE: "fleet.revoked",
}


def next_state(device: str, state: DeviceState, step: Step) -> DeviceState:
    """The state after `step`; the same where the device is there already. Raises DeviceMovedOn."""
    origins, goal = NEXT[step]
    if state is not goal and state not in origins:
        raise DeviceMovedOn(f"device {device} is {state}: there is nothing to {step}", field="device")
    return goal
