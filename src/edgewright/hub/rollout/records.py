"""Rollouts as the public API shows them, read from their tables, and the changes that several verbs share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeploymentRecord, RolloutRecord, WaveRecord
from edgewright.contract.errors import NotFound
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import BROKEN, LIVE, OPEN, DeploymentState

Row = Mapping[str, Any]


def rollout_row(connection: sa.Connection, id: str) -> Row:
    """The rollout of that id; raises NotFound."""
    row = connection.execute(sa.select(table.rollout).where(table.rollout.c.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no rollout '{id}'", field="rollout", hint="`edgewright rollout ls` lists them.")
    return dict(row)


def read_all(connection: sa.Connection, id: str = "") -> list[RolloutRecord]:
    """The rollout of that id, or all of them, newest first."""
    query = sa.select(table.rollout).order_by(table.rollout.c.number.desc())
    waves, deployments = sa.select(table.wave), sa.select(table.deployment)
    if id:
        query = query.where(table.rollout.c.id == id)
        waves = waves.where(table.wave.c.rollout == id)
        deployments = deployments.where(table.deployment.c.rollout == id)
    waves_of = _by_rollout(connection, waves.order_by(table.wave.c.number))
    deployments_of = _by_rollout(connection, deployments.order_by(table.deployment.c.number))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return [record(row, waves_of[row["id"]], deployments_of[row["id"]]) for row in rows]


def record(rollout: Row, waves: Iterable[Row], deployments: Iterable[Row]) -> RolloutRecord:
    """Put a rollout's rows together."""
    deployed = list(deployments)
    fields = {name: rollout[name] for name in RolloutRecord.__struct_fields__ if name in rollout}
    fields["waves"] = [
        _wave(wave, [row["state"] for row in deployed if row["wave"] == wave["number"]]) for wave in waves
    ]
    fields["deployments"] = [{name: row[name] for name in DeploymentRecord.__struct_fields__} for row in deployed]
    return msgspec.convert(fields, RolloutRecord)


def withdraw(connection: sa.Connection, where: sa.ColumnElement[bool], reason: str, now: float) -> None:
    """Take back every deployment of `where` that is open or committed; its device goes back if it has it."""
    deployments = table.deployment
    query = sa.update(deployments).where(where, deployments.c.state.in_(LIVE))
    connection.execute(query.values(state=DeploymentState.WITHDRAWN, reason=reason, updated_at=now))


def _by_rollout(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[row["rollout"]].append(dict(row))
    return found


def _wave(wave: Row, states: list[str]) -> dict[str, Any]:
    own = ("number", "size", "state", "started_at", "ended_at", "reason")
    counts = {
        "committed": states.count(DeploymentState.COMMITTED),
        "failed": sum(state in BROKEN for state in states),
        "waiting": sum(state in OPEN for state in states),
    }
    return {name: wave[name] for name in WaveRecord.__struct_fields__ if name in own} | counts
