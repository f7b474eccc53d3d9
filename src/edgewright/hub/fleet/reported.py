"""What devices report of themselves: their models' states and what bytes cost them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.report import CheckIn, ModelState, Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import Seen

CHUNK = 500


class Reported:
    """Model states and paces of devices, and when each was heard of: here as `newest` says, else as it was saved."""

    def __init__(self, db: Database, newest: Callable[[str, Seen], Seen]) -> None:
        self._db = db
        self._newest = newest

    def seen(self, devices: Collection[str]) -> dict[str, Seen]:
        """When each of `devices` was last heard of."""
        found: dict[str, Seen] = {}
        of, heard = table.device.c, table.device_heard.c
        query = sa.select(of.id, heard.last_seen_at, heard.backlog, heard.poll_s).select_from(table.devices)
        with self._db.read() as connection:
            for part in chunks(devices):
                for row in connection.execute(query.where(of.id.in_(part))):
                    saved = Seen(at=row.last_seen_at, backlog=row.backlog or 0, poll_s=row.poll_s)
                    found[row.id] = self._newest(row.id, saved)
        return found

    def states(self, devices: Collection[str]) -> dict[str, tuple[ModelState, ...]]:
        """What each of `devices` last reported of its models."""
        found: dict[str, list[ModelState]] = {device: [] for device in devices}
        with self._db.read() as connection:
            for part in chunks(devices):
                query = sa.select(table.device_model).where(table.device_model.c.device.in_(part))
                for row in connection.execute(query.order_by(table.device_model.c.model)).mappings():
                    found[row["device"]].append(state_of(row))
        return {device: tuple(states) for device, states in found.items()}

    def running(self, model: str) -> dict[str, int]:
        """How many devices run which package of a model, by the digest of its manifest."""
        of = table.device_model.c
        query = sa.select(of.manifest_sha256, sa.func.count()).where(of.model == model).group_by(of.manifest_sha256)
        with self._db.read() as connection:
            return {sha256: count for sha256, count in connection.execute(query) if sha256}

    def paces(self, devices: Collection[str]) -> dict[str, Pace]:
        """What bytes cost each of `devices`, as it last reported."""
        columns, found = (table.device.c.id, table.device.c.pace), {}
        with self._db.read() as connection:
            for part in chunks(devices):
                for row in connection.execute(sa.select(*columns).where(table.device.c.id.in_(part))):
                    found[row.id] = msgspec.convert(row.pace, Pace)
        return found


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Parts small enough for one statement's parameters."""
    ordered = list(names)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


def save(connection: sa.Connection, device: str, told: CheckIn, now: float) -> None:
    """Keep what a device tells of its models and its pace; `changed_at` moves with the models alone."""
    of, states = table.device.c, table.device_model
    values: dict[str, Any] = {"pace": msgspec.to_builtins(told.pace)}
    if _states(connection, device) != _told(told):
        connection.execute(sa.delete(states).where(states.c.device == device))
        rows = [{**msgspec.to_builtins(state), "device": device, "reported_at": now} for state in _told(told).values()]
        if rows:
            connection.execute(sa.insert(states), rows)
        values["changed_at"] = now
    connection.execute(sa.update(table.device).where(of.id == device).values(values))


def _told(told: CheckIn) -> dict[str, ModelState]:
    return {state.model: state for state in told.models}


def _states(connection: sa.Connection, device: str) -> dict[str, ModelState]:
    known = connection.execute(sa.select(table.device_model).where(table.device_model.c.device == device)).mappings()
    return {row["model"]: state_of(row) for row in known}


def state_of(row: sa.RowMapping) -> ModelState:
    """A row of device_model as it was told."""
    return msgspec.convert({name: row[name] for name in ModelState.__struct_fields__}, ModelState)
