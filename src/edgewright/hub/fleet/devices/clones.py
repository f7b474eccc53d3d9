"""The clone alarm: remembers the lives of each device's agent, and shuts a key out that is in two places."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.hub.fleet import table
from edgewright.hub.fleet.devices.lives import Lines, caught_up, cloned, hear, life_key
from edgewright.hub.fleet.devices.states import Step
from edgewright.hub.fleet.devices.steering import Steering

HUB = "hub"


class Clones:
    """Hears the turns that a hub's memory cannot judge."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    def hear(self, connection: sa.Connection, device: str, life: str, turn: int, last_turn: int, now: float) -> bool:
        """Take in a turn that does not simply follow `last_turn`, in the caller's transaction.

        `last_turn` is the newest that this hub has in memory of the same life, 0 for none; `life` may not be ''.
        A device whose key is in two places is quarantined: then it is False.
        """
        query = sa.select(table.device.c.lives, table.device.c.state).where(table.device.c.id == device)
        row = connection.execute(query).first()
        if row is None or row.state != DeviceState.ACTIVE:
            return False
        known: Lines = msgspec.convert(row.lives, Lines)
        key = life_key(life)
        lines = hear(caught_up(known, key, last_turn), key, turn, now)
        update = sa.update(table.device).where(table.device.c.id == device)
        connection.execute(update.values(lives=msgspec.to_builtins(lines)))
        reason = cloned(lines)
        if reason:
            self._steering.move(connection, HUB, device, Step.QUARANTINE, reason, now)
        return not reason
