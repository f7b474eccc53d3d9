"""Whom rollouts concern at all: asked for many devices that check in, of which most have nothing to do."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import OPEN, DeploymentState


def concerned(connection: sa.Connection, devices: Sequence[str]) -> set[str]:
    """Those with a deployment that is open, or that was taken back after it was offered."""
    of = table.deployment.c
    is_taken_back = sa.and_(of.state == DeploymentState.WITHDRAWN, of.offered_at.is_not(None))
    query = sa.select(of.device).where(of.device.in_(devices), sa.or_(of.state.in_(OPEN), is_taken_back))
    return set(connection.scalars(query))
