"""A device's place: its name, labels and groups, which a new board may take over."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.contract.errors import Conflict
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.devices import device_row

Successor = Callable[[sa.Connection, str, str], None]
"""Hands what a device had, `(connection, old, new)`, over to the board that takes its place, in that transaction."""


class PlaceTaken(Conflict):
    code = "place_taken"
    hint = "`edgewright device ls` lists the devices: replace the board that has the place now."


class Places:
    """Lets new boards take the places of old ones."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer
        self._successors: list[Successor] = []

    def on_taken(self, act: Successor) -> None:
        """Have `act` hand over what another room keeps of a device."""
        self._successors.append(act)

    def take(self, connection: sa.Connection, by: str, old: str, new: str, now: float) -> None:
        """Give `new` the name, labels, listed groups and whatever else `old` has, and retire `old`.

        Labels that `new` brings stay where `old` has none of that name. Raises NotFound, PlaceTaken.
        """
        check_place(connection, old, by=new)
        place, board = device_row(connection, old), device_row(connection, new)
        labels = {**board["labels"], **place["labels"]}
        of = table.device.c
        retired = {"state_reason": f"replaced by {new}", "changed_at": now}
        if place["state"] != DeviceState.REVOKED:
            retired["state"] = DeviceState.RETIRED
        connection.execute(sa.update(table.device).where(of.id == old).values(retired))
        taken = {"name": place["name"], "labels": labels, "replaces": old, "changed_at": now}
        connection.execute(sa.update(table.device).where(of.id == new).values(taken))
        _relist(connection, old, new)
        for hand_over in self._successors:
            hand_over(connection, old, new)
        self._announcer.of_device(connection, by, "fleet.replaced", old, new=new)
        self._announcer.of_device(connection, by, "fleet.took_place", new, old=old)


def check_place(connection: sa.Connection, old: str, by: str = "") -> None:
    """Raise NotFound where there is no device `old`, and PlaceTaken where another board than `by` has its place."""
    device_row(connection, old)
    of = table.device.c
    query = sa.select(of.id).where(of.replaces == old, of.id != by, of.state.not_in((DeviceState.WAITING,)))
    other = connection.scalar(query)
    if other is not None:
        raise PlaceTaken(f"device {other} has the place of {old} already", field="replaces")


def _relist(connection: sa.Connection, old: str, new: str) -> None:
    groups = connection.execute(sa.select(table.group.c.name, table.group.c.devices)).all()
    for name, devices in groups:
        if old in devices:
            listed = sorted({*devices, new} - {old})
            connection.execute(sa.update(table.group).where(table.group.c.name == name).values(devices=listed))
