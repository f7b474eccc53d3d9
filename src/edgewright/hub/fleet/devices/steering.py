"""What people do to a device: approve, reject, release, retire or revoke it, and change its labels."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.contract.api import DeviceState, LabelEdit
from edgewright.contract.errors import NotFound
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.devices.states import EVENTS, MAX_REASON_CHARS, Step, next_state
from edgewright.hub.fleet.model import check_labels


class Steering:
    """Changes one device in the caller's transaction, and tells of it."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    def move(self, connection: sa.Connection, by: str, id: str, step: Step, reason: str, now: float) -> bool:
        """Give a device the state that `step` leads to; False if it has it already.

        Raises NotFound, and DeviceMovedOn where its state allows no such step.
        """
        row = device_row(connection, id)
        state = DeviceState(row["state"])
        goal = next_state(id, state, step)
        if state is goal:
            return False
        values = {"state": goal, "state_reason": reason[:MAX_REASON_CHARS], "changed_at": now}
        if step is Step.RELEASE:
            values["lives"] = []
        if step is Step.REJECT:
            values["replaces"] = ""
        connection.execute(sa.update(table.device).where(table.device.c.id == id).values(values))
        self._announcer.of_device(connection, by, EVENTS[step], id, reason=reason)
        return True

    def label(self, connection: sa.Connection, by: str, id: str, edit: LabelEdit, now: float) -> dict[str, str]:
        """Change labels; returns all that the device has then. Raises NotFound, InvalidInput."""
        row = device_row(connection, id)
        labels = {name: value for name, value in row["labels"].items() if name not in edit.remove} | edit.set
        check_labels(labels)
        if labels != row["labels"]:
            update = sa.update(table.device).where(table.device.c.id == id)
            connection.execute(update.values(labels=labels, changed_at=now))
            detail = {"set": edit.set, "removed": sorted(edit.remove)}
            self._announcer.of_device(connection, by, "fleet.labelled", id, **detail)
        return labels


def device_row(connection: sa.Connection, id: str) -> sa.RowMapping:
    """The row of a device; raises NotFound."""
    row = connection.execute(sa.select(table.device).where(table.device.c.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no device '{id}'", field="device", hint="`edgewright device ls` lists them.")
    return row
