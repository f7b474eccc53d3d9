"""Whether anybody of a wave who has not answered yet is there: known without looking at the whole wave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.hub.fleet import Fleet
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import is_away
from edgewright.hub.rollout.model import OPEN
from edgewright.hub.rollout.running.ledger import CHUNK

_OF = table.deployment.c


class Presence:
    """Remembers one deployment of each wave whose device was there: mostly it still is. Else it looks for another."""

    def __init__(self, fleet: Fleet, listening_since: float) -> None:
        self._fleet = fleet
        self._since = listening_since
        self._witness: dict[tuple[str, int], str] = {}

    def is_anybody_there(
        self, connection: sa.Connection, rollout: str, wave: int, patience_s: float, now: float
    ) -> bool:
        """Whether a device whose deployment is open is there: not silent for longer than it may be; see `is_away`."""
        query = sa.select(_OF.id, _OF.device).where(_OF.rollout == rollout, _OF.wave == wave, _OF.state.in_(OPEN))
        witness = self._witness.pop((rollout, wave), "")
        found = witness and self._first(connection.execute(query.where(_OF.id == witness)).all(), patience_s, now)
        found = found or self._find(connection, query, patience_s, now)
        if found:
            self._witness[rollout, wave] = found
        return bool(found)

    def _find(self, connection: sa.Connection, query: sa.Select[Any], patience_s: float, now: float) -> str:
        """One that is there: mostly among the first; only where all of these are away, the others are read."""
        some = connection.execute(query.limit(CHUNK)).all()
        if (found := self._first(some, patience_s, now)) or len(some) < CHUNK:
            return found
        rest = connection.execute(query)
        while part := rest.fetchmany(CHUNK):
            if found := self._first(part, patience_s, now):
                rest.close()
                return found
        return ""

    def _first(self, deployments: Sequence[Any], patience_s: float, now: float) -> str:
        """One of `deployments` whose device is there; '' if all are away."""
        seen = self._fleet.seen([row.device for row in deployments])
        there = (row.id for row in deployments if not is_away(seen[row.device], self._since, patience_s, now))
        return next(there, "")
