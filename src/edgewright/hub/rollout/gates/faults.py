"""Notes that a device has told of a crash of a package which it had committed."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import DeploymentState

CRASHED = "crashed"


def note_fault(connection: sa.Connection, device: str, code: str, message: str, at: float) -> None:
    """Lay a crash to the newest package of its model on this device; each is marked once, however often it is told.

    The agent's message begins with the model's name and a colon.
    """
    if code != CRASHED:
        return
    of = table.deployment.c
    mine = sa.and_(of.device == device, of.model == message.partition(":")[0], of.state == DeploymentState.COMMITTED)
    newest = sa.select(sa.func.max(of.number)).where(mine).scalar_subquery()
    query = sa.update(table.deployment).where(of.number == newest, of.faulted_at.is_(None))
    connection.execute(query.values(faulted_at=at))
