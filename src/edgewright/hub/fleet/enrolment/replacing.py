"""New boards for old ones: name, labels, listed groups and open work go over, and the old device is retired."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.contract.errors import Conflict
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.devices import device_row

Successor = Callable[[sa.Connection, str, str], None]
"""Hands what a device had, `(connection, old, new)`, over to its new board, in that transaction."""


class AlreadyReplaced(Conflict):
    code = "already_replaced"
    hint = "`edgewright device ls` lists the devices: replace the board that is there now."


class Replacing:
    """Hands over from old boards to new ones."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer
        self._successors: list[Successor] = []

    def on_replaced(self, act: Successor) -> None:
        """Have `act` hand over what another room keeps of a device."""
        self._successors.append(act)

    def replace(self, connection: sa.Connection, by: str, old: str, new: str, now: float) -> None:
        """Give `new` the name, labels, listed groups and whatever else `old` has, and retire `old`.

        Labels that `new` brings stay where `old` has none of that name. Raises NotFound, AlreadyReplaced.
        """
        check_replaceable(connection, old, by=new)
        before, board = device_row(connection, old), device_row(connection, new)
        labels = {**board["labels"], **before["labels"]}
        of = table.device.c
        retired = {"state_reason": f"replaced by {new}", "changed_at": now}
        if before["state"] != DeviceState.REVOKED:
            retired["state"] = DeviceState.RETIRED
        connection.execute(sa.update(table.device).where(of.id == old).values(retired))
        taken = {"name": before["name"], "labels": labels, "replaces": old, "changed_at": now}
        connection.execute(sa.update(table.device).where(of.id == new).values(taken))
        _relist(connection, old, new)
        for hand_over in self._successors:
            hand_over(connection, old, new)
        self._announcer.of_device(connection, by, "fleet.replaced", old, new=new)
        self._announcer.of_device(connection, by, "fleet.took_over", new, old=old)


def check_replaceable(connection: sa.Connection, old: str, by: str = "") -> None:
    """Raise NotFound where there is no device `old`, and AlreadyReplaced where another board than `by` replaced it."""
    device_row(connection, old)
    of = table.device.c
    query = sa.select(of.id).where(of.replaces == old, of.id != by, of.state.not_in((DeviceState.WAITING,)))
    other = connection.scalar(query)
    if other is not None:
        raise AlreadyReplaced(f"device {other} has replaced {old} already", field="replaces")


def _relist(connection: sa.Connection, old: str, new: str) -> None:
    groups = connection.execute(sa.select(table.group.c.name, table.group.c.devices)).all()
    for name, devices in groups:
        if old in devices:
            listed = sorted({*devices, new} - {old})
            connection.execute(sa.update(table.group).where(table.group.c.name == name).values(devices=listed))
