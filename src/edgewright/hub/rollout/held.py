"""Whom directives keep out of rollouts, and whom they force."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import Directive, DirectiveKind
from edgewright.hub.db import to_record
from edgewright.hub.rollout import table

CHUNK = 500
_OF = table.directive.c
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


def told(given: Directive) -> str:
    """A directive in words."""
    release = f" to {given.model}/{given.counter}" if given.counter else ""
    return f"{_WORDS[given.kind]}{release} by {given.by}" + (f": {given.reason}" if given.reason else "")


def _kept_out(connection: sa.Connection, query: sa.Select[Any], counter: int) -> dict[str, str]:
    query = query.where(_OF.kind != DirectiveKind.FORCE, sa.or_(_OF.counter == 0, _OF.counter != counter))
    given = (to_record(row, Directive) for row in connection.execute(query).mappings())
    return {one.device: told(one) for one in given}
