"""Whom directives keep out of rollouts, and whom they force."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import Directive, DirectiveKind
from edgewright.hub.db import to_record
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import ACTIVE, UNFINISHED, DeploymentState
from edgewright.hub.rollout.running import ledger

CHUNK = 500
_OF = table.directive.c
_DEPLOYMENT = table.deployment.c
_WORDS = {DirectiveKind.PIN: "pinned", DirectiveKind.HOLD: "held back", DirectiveKind.FORCE: "forced"}


def held(connection: sa.Connection, model: str, devices: Collection[str], counter: int = 0) -> dict[str, str]:
    """Those of `devices` that rollouts of a model leave alone, with the reason; pinned to `counter` is no reason."""
    found: dict[str, str] = {}
    ordered = sorted(devices)
    for start in range(0, len(ordered), CHUNK):
        part = ordered[start : start + CHUNK]
        query = sa.select(table.directive).where(_OF.model == model, _OF.device.in_(part))
        found |= _kept_out(connection, query, counter)
    return found


def all_held(connection: sa.Connection, model: str, counter: int = 0) -> dict[str, str]:
    """Every device that rollouts of a model leave alone, with the reason; pinned to `counter` is no reason."""
    return _kept_out(connection, sa.select(table.directive).where(_OF.model == model), counter)


def forced(connection: sa.Connection, model: str, counter: int) -> set[str]:
    """The devices that shall be offered that release whatever they did with it before."""
    query = sa.select(_OF.device).where(_OF.model == model, _OF.counter == counter, _OF.kind == DirectiveKind.FORCE)
    return set(connection.scalars(query))


def hold_back(connection: sa.Connection, given: Directive, now: float) -> None:
    """Take a device out of the waves that a directive keeps it from: none of them waits for it any more.

    What it was told and is under way is taken back, and given up by the device; what it runs stays.
    """
    if given.kind is DirectiveKind.FORCE:
        return
    other = sa.and_(_DEPLOYMENT.counter != given.counter, *_of(given.device, given.model))
    reason = told(given)
    ledger.move(connection, other, (DeploymentState.OFFERED,), DeploymentState.WITHDRAWN, now, reason=reason)
    waiting = (DeploymentState.PENDING, DeploymentState.ADMITTED)
    ledger.move(connection, other, waiting, DeploymentState.HELD, now, reason=reason)


def let_back(connection: sa.Connection, device: str, model: str, now: float) -> None:
    """Let a device whose directive was lifted go on in those waves that are not over; it comes too late for others."""
    wave, rollout = table.wave.c, table.rollout.c
    is_held = sa.and_(_DEPLOYMENT.state == DeploymentState.HELD, *_of(device, model))
    in_time = sa.select(_DEPLOYMENT.number).where(is_held, wave.state.in_(UNFINISHED), rollout.state.in_(ACTIVE))
    in_time = in_time.join(table.wave, sa.and_(wave.rollout == _DEPLOYMENT.rollout, wave.number == _DEPLOYMENT.wave))
    numbers = connection.scalars(in_time.join(table.rollout, rollout.id == _DEPLOYMENT.rollout)).all()
    held, again = (DeploymentState.HELD,), {"reason": "", "due_at": now}
    ledger.move(connection, _DEPLOYMENT.number.in_(numbers), held, DeploymentState.PENDING, now, **again)
    ledger.move(connection, is_held, held, DeploymentState.WITHDRAWN, now)


def told(given: Directive) -> str:
    """A directive in words."""
    release = f" to {given.model}/{given.counter}" if given.counter else ""
    return f"{_WORDS[given.kind]}{release} by {given.by}" + (f": {given.reason}" if given.reason else "")


def _of(device: str, model: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _DEPLOYMENT.device == device, _DEPLOYMENT.model == model


def _kept_out(connection: sa.Connection, query: sa.Select[Any], counter: int) -> dict[str, str]:
    query = query.where(_OF.kind != DirectiveKind.FORCE, sa.or_(_OF.counter == 0, _OF.counter != counter))
    given = (to_record(row, Directive) for row in connection.execute(query).mappings())
    return {one.device: told(one) for one in given}
