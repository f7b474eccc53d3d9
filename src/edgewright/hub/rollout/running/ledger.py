"""The one place where deployments change their states: tallies, leases and places at sites change with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.hub.db import insert_all
from edgewright.hub.events import Events
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import LIVE, NEXT_DEPLOYMENT, UNDER_WAY, DeploymentState

ORDERS_CHANGED = "rollout.orders"
"""The kind of event that names the devices whose orders change."""
CHUNK = 500
WOKEN_PER_LEASE = 4
"""Of those that wait for a site: more than can be served, since one may be blocked by a stricter budget of its own."""

Moved = sa.Row[Any]
"""A deployment that has changed its state: `number`, `rollout`, `wave`, `device`."""
_OF = table.deployment.c


def enter(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Take new deployments in, and count them."""
    insert_all(connection, table.deployment, rows)
    _count(connection, Counter((row["rollout"], row["wave"], row["state"]) for row in rows))


def move(
    connection: sa.Connection,
    which: sa.ColumnElement[bool],
    states: Collection[DeploymentState],
    wanted: DeploymentState,
    now: float,
    **values: Any,
) -> list[Moved]:
    """Bring those of `which` that are in one of `states` into `wanted`; safe to repeat. Returns those it moved.

    What leaves its lease gives its places at sites free, and wakes those that wait there; but what is withdrawn after
    its device was told holds them until `let_go`. Raises ValueError where no deployment may go from one of `states` to
    `wanted`.
    """
    moved: list[Moved] = []
    for state in states:
        if wanted not in NEXT_DEPLOYMENT[state]:
            raise ValueError(f"no deployment goes from {state} to {wanted}")
        is_at_it = (state, wanted) == (DeploymentState.OFFERED, DeploymentState.WITHDRAWN)
        ends = {} if wanted in UNDER_WAY else {"due_at": None, "blocked_on": None}
        ends |= {} if wanted in UNDER_WAY or is_at_it else {"lease_until": None}
        change = sa.update(table.deployment).where(which, _OF.state == state)
        change = change.values({"state": wanted, "updated_at": now} | ends | values)
        rows = connection.execute(change.returning(_OF.number, _OF.rollout, _OF.wave, _OF.device)).all()
        _count(connection, _shift(rows, state, wanted))
        if state in UNDER_WAY and wanted not in UNDER_WAY and not is_at_it:
            leave([row.number for row in rows], connection, now)
        moved.extend(rows)
    return moved


def withdraw(
    connection: sa.Connection, events: Events, which: sa.ColumnElement[bool], reason: str, now: float
) -> list[Moved]:
    """Take back every deployment of `which` that is open or committed; its device goes back if it has it."""
    moved = move(connection, which, LIVE, DeploymentState.WITHDRAWN, now, reason=reason)
    devices: dict[str, list[str]] = {}
    for row in moved:
        devices.setdefault(row.rollout, []).append(row.device)
    for rollout, names in devices.items():
        tell_devices(connection, events, rollout, names)
    return moved


def let_go(connection: sa.Connection, which: sa.ColumnElement[bool], now: float) -> None:
    """End the leases of those of `which` that were withdrawn: their devices have answered, or may not go on by now."""
    held = sa.and_(which, _OF.state == DeploymentState.WITHDRAWN, _OF.lease_until.is_not(None))
    change = sa.update(table.deployment).where(held).values(lease_until=None)
    leave(connection.execute(change.returning(_OF.number)).scalars().all(), connection, now)


def leave(numbers: Sequence[int], connection: sa.Connection, now: float) -> None:
    """Give free what these deployments take up at their sites."""
    freed: Counter[str] = Counter()
    of = table.site_lease.c
    for part in chunks(numbers):
        gone = connection.execute(sa.delete(table.site_lease).where(of.deployment.in_(part)).returning(of.site))
        freed.update(gone.scalars())
    for site, count in freed.items():
        _wake(connection, site, WOKEN_PER_LEASE * count, now)


def tally(connection: sa.Connection, rollout: str, wave: int | None = None) -> dict[int, Counter[DeploymentState]]:
    """How many deployments are in which state, by wave (0 is for those in no wave)."""
    of = table.tally.c
    query = sa.select(of.wave, of.state, of.count).where(of.rollout == rollout, of.count > 0)
    if wave is not None:
        query = query.where(of.wave == wave)
    found: dict[int, Counter[DeploymentState]] = {}
    for row in connection.execute(query):
        found.setdefault(row.wave, Counter())[DeploymentState(row.state)] = row[2]
    return found


def tell_devices(connection: sa.Connection, events: Events, rollout: str, devices: Sequence[str]) -> None:
    """Say whose orders change, so that they are worked out anew."""
    for part in chunks(devices):
        events.record(connection, ORDERS_CHANGED, rollout, devices=part)


def chunks(things: Sequence[Any]) -> Iterator[list[Any]]:
    """Parts small enough for one statement's parameters, and for one event."""
    return (list(things[start : start + CHUNK]) for start in range(0, len(things), CHUNK))


def _shift(rows: Iterable[Moved], old: DeploymentState, new: DeploymentState) -> Counter[tuple[str, int, str]]:
    changes: Counter[tuple[str, int, str]] = Counter()
    for row in rows:
        changes[row.rollout, row.wave, old] -= 1
        changes[row.rollout, row.wave, new] += 1
    return changes


def _count(connection: sa.Connection, changes: Counter[tuple[str, int, str]]) -> None:
    of = table.tally.c
    for (rollout, wave, state), change in sorted(changes.items()):
        where = sa.and_(of.rollout == rollout, of.wave == wave, of.state == state)
        counted = connection.execute(sa.update(table.tally).where(where).values(count=of.count + change))
        if counted.rowcount == 0:
            row = {"rollout": rollout, "wave": wave, "state": state, "count": change}
            connection.execute(sa.insert(table.tally).values(row))


def _wake(connection: sa.Connection, site: str, most: int, now: float) -> None:
    """Let those that have waited longest for a place at `site` be looked at: older rollouts first, in their order."""
    waiting = sa.select(_OF.number).where(_OF.blocked_on == site).order_by(_OF.number).limit(most)
    numbers = connection.execute(waiting).scalars().all()
    if numbers:
        due = sa.update(table.deployment).where(_OF.number.in_(numbers))
        connection.execute(due.values(due_at=now, blocked_on=None))
