"""Whether anybody of a wave who has not answered yet is there: known without looking at the whole wave."""

from __future__ import annotations

import itertools
from typing import Any

import sqlalchemy as sa

from edgewright.hub.fleet import Fleet
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import is_away
from edgewright.hub.rollout.model import OPEN
from edgewright.hub.rollout.running.ledger import CHUNK

_OF = table.deployment.c


class Presence:
    """Remembers one device of each wave that was there: mostly it still is. Else it reads until it finds another."""

    def __init__(self, fleet: Fleet, listening_since: float) -> None:
        self._fleet = fleet
        self._listening_since = listening_since
        self._witness: dict[tuple[str, int], str] = {}

    def is_anybody_there(
        self, connection: sa.Connection, rollout: str, wave: int, patience_s: float, now: float
    ) -> bool:
        """Whether a device whose deployment is open was heard of within `patience_s`, as long as the hub listens."""
        open_ = sa.and_(_OF.rollout == rollout, _OF.wave == wave, _OF.state.in_(OPEN))
        witness = self._witness.pop((rollout, wave), "")
        if witness and self._first(self._among(connection, open_, witness), patience_s, now):
            self._witness[rollout, wave] = witness
            return True
        found = self._find(connection, open_, patience_s, now)
        if found:
            self._witness[rollout, wave] = found
        return bool(found)

    def _find(self, connection: sa.Connection, open_: sa.ColumnElement[bool], patience_s: float, now: float) -> str:
        """One that is there: mostly among the first; only where all of these are away, the others are read."""
        query = sa.select(_OF.device).where(open_)
        some = list(connection.execute(query.limit(CHUNK)).scalars())
        if (found := self._first(some, patience_s, now)) or len(some) < CHUNK:
            return found
        rest = connection.execute(query).scalars()
        while part := list(itertools.islice(rest, CHUNK)):
            if found := self._first(part, patience_s, now):
                rest.close()
                return found
        return ""

    def _among(self, connection: sa.Connection, open_: sa.ColumnElement[bool], device: str) -> list[Any]:
        return list(connection.execute(sa.select(_OF.device).where(open_, _OF.device == device)).scalars())

    def _first(self, devices: list[Any], patience_s: float, now: float) -> str:
        """One of `devices` that is there; '' if all are away."""
        for device, seen in self._fleet.seen(devices).items():
            if not is_away(seen.at, self._listening_since, patience_s, now):
                return device
        return ""
