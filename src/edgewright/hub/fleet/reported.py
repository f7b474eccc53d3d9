"""What devices report of themselves: written when it changed, heartbeats written behind."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator

import msgspec
import sqlalchemy as sa

from edgewright.contract.report import CheckIn, ModelState, Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import Seen

FLUSH_EVERY_S = 5.0
CHUNK = 500


class Reported:
    """Model states, paces and heartbeats of devices. A crash of the hub loses at most `FLUSH_EVERY_S` of heartbeats."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._told: dict[str, tuple[tuple[ModelState, ...], Pace]] = {}
        self._seen: dict[str, Seen] = {}
        self._unsaved: set[str] = set()
        self._flushed_at = float("-inf")

    def note(self, device: str, check_in: CheckIn, now: float) -> None:
        """Take in one check-in: states and pace are saved at once where they changed, the heartbeat a little later."""
        with self._lock:
            self._seen[device] = Seen(at=now, backlog=check_in.backlog)
            self._unsaved.add(device)
            is_changed = self._told.get(device) != (check_in.models, check_in.pace)
            is_due = now - self._flushed_at >= FLUSH_EVERY_S
        if not is_changed and not is_due:
            return
        with self._db.write() as connection:
            if is_changed:
                _save_told(connection, device, check_in, now)
            self._save_seen(connection)
        with self._lock:
            self._told[device] = (check_in.models, check_in.pace)
            self._flushed_at = now

    def flush(self) -> None:
        """Save the heartbeats that are still in memory only."""
        with self._db.write() as connection:
            self._save_seen(connection)

    def seen(self, devices: Collection[str]) -> dict[str, Seen]:
        """When each of `devices` was last heard of."""
        found: dict[str, Seen] = {}
        columns = (table.device.c.id, table.device.c.last_seen_at, table.device.c.backlog)
        with self._db.read() as connection:
            for part in chunks(devices):
                for row in connection.execute(sa.select(*columns).where(table.device.c.id.in_(part))):
                    found[row.id] = self.newest(row.id, Seen(at=row.last_seen_at, backlog=row.backlog))
        return found

    def newest(self, device: str, saved: Seen) -> Seen:
        """The heartbeat in memory if there is one, else the `saved` one."""
        return self._seen.get(device, saved)

    def states(self, devices: Collection[str]) -> dict[str, tuple[ModelState, ...]]:
        """What each of `devices` last reported of its models."""
        found: dict[str, list[ModelState]] = {device: [] for device in devices}
        with self._db.read() as connection:
            for part in chunks(devices):
                query = sa.select(table.device_model).where(table.device_model.c.device.in_(part))
                for row in connection.execute(query.order_by(table.device_model.c.model)).mappings():
                    found[row["device"]].append(_state(row))
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

    def _save_seen(self, connection: sa.Connection) -> None:
        with self._lock:
            rows = [
                {"device": name, "at": self._seen[name].at, "n": self._seen[name].backlog} for name in self._unsaved
            ]
            self._unsaved.clear()
        if rows:
            update = sa.update(table.device).where(table.device.c.id == sa.bindparam("device"))
            connection.execute(update.values(last_seen_at=sa.bindparam("at"), backlog=sa.bindparam("n")), rows)


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Parts small enough for one statement's parameters."""
    ordered = list(names)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


def _save_told(connection: sa.Connection, device: str, told: CheckIn, now: float) -> None:
    pace = sa.update(table.device).where(table.device.c.id == device).values(pace=msgspec.to_builtins(told.pace))
    connection.execute(pace)
    connection.execute(sa.delete(table.device_model).where(table.device_model.c.device == device))
    rows = {state.model: {**msgspec.to_builtins(state), "device": device, "reported_at": now} for state in told.models}
    if rows:
        connection.execute(sa.insert(table.device_model), list(rows.values()))


def _state(row: sa.RowMapping) -> ModelState:
    return msgspec.convert({name: row[name] for name in ModelState.__struct_fields__}, ModelState)
