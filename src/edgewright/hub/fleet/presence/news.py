"""What check-ins tell that the tables do not say yet: found for many devices at once, committed for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.report import Capabilities, CheckIn, ModelState
from edgewright.hub.events import Events
from edgewright.hub.fleet import table
from edgewright.hub.fleet.devices.lives import Lines, is_next, life_key
from edgewright.hub.fleet.presence.memory import Memory
from edgewright.hub.fleet.reported import save, state_of

Act = Callable[[sa.Connection], None]
Learn = Callable[[sa.Connection, str, Capabilities, float], bool]
Hear = Callable[[sa.Connection, str, str, int, int, float], bool]
"""Takes in a turn of a life: connection, device, life, turn, the last turn in memory, now."""

BEGAN = "fleet.began"
"""A life began at a device after another one: what other hubs remember of it is looked at anew."""


class Told(NamedTuple):
    """One check-in and whose it is."""

    device: str
    check_in: CheckIn
    last_turn: int
    """The newest turn of the same life in memory; 0 for none."""


class News:
    """Compares check-ins with the tables. `learn` and `hear` are the fleet's verbs for a machine and a life."""

    def __init__(self, events: Events, learn: Learn, hear: Hear) -> None:
        self._events = events
        self._learn = learn
        self._hear = hear

    def of(self, connection: sa.Connection, told: Sequence[Told], now: float) -> list[Act | None]:
        """For each check-in what has to be committed beyond its heartbeat; None where there is nothing."""
        states, rows = _known(connection, [one.device for one in told])
        changed = [states[one.device] != _states(one.check_in) for one in told]
        return [self._act(one, new, rows.get(one.device), now) for one, new in zip(told, changed, strict=True)]

    def _act(self, told: Told, is_changed: bool, row: Any, now: float) -> Act | None:
        check_in = told.check_in
        is_changed = is_changed or row is None or row.pace != msgspec.to_builtins(check_in.pace)
        lines: Lines = msgspec.convert(row.lives if row is not None else (), Lines)
        is_heard = bool(check_in.life) and not _goes_on(lines, told)
        if not (is_changed or is_heard or check_in.machine is not None):
            return None

        def act(connection: sa.Connection) -> None:
            if is_changed:
                save(connection, told.device, check_in, now)
            if check_in.machine is not None:
                self._learn(connection, told.device, check_in.machine, now)
            if is_heard:
                self._hear(connection, told.device, check_in.life, check_in.turn, told.last_turn, now)
                if lines and lines[0].life != life_key(check_in.life):
                    self._events.record(connection, BEGAN, told.device, device=told.device)

        return act


def last_turn(memory: Memory, row: int, life: int) -> int:
    """The newest turn in memory of this life (its hash); 0 where memory knows another one."""
    return memory.turn[row] if memory.life[row] == life else 0


def _goes_on(lines: Lines, told: Told) -> bool:
    """Whether this is the life that was heard last, further on or once more: nothing that the tables must know."""
    turn, last = told.check_in.turn, told.last_turn
    if not lines or lines[0].life != life_key(told.check_in.life):
        return False
    return turn == last or is_next(turn, last) if last else lines[0].turn < turn


def _states(check_in: CheckIn) -> dict[str, ModelState]:
    return {state.model: state for state in check_in.models}


def _known(
    connection: sa.Connection, devices: Sequence[str]
) -> tuple[dict[str, dict[str, ModelState]], dict[str, Any]]:
    """What the tables say: states by device and model, and rows of pace and lives by device."""
    states, of = defaultdict[str, dict[str, ModelState]](dict), table.device.c
    query = sa.select(table.device_model).where(table.device_model.c.device.in_(devices))
    for row in connection.execute(query).mappings():
        states[row["device"]][row["model"]] = state_of(row)
    rows = connection.execute(sa.select(of.id, of.pace, of.lives).where(of.id.in_(devices)))
    return states, {row.id: row for row in rows}
