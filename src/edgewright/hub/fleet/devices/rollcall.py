"""A fleet at one glance: how many devices are how, what they run, and those that want looking at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from edgewright.contract.api import DeviceRecord, DeviceState, FleetCounts, RunningCount
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import Seen

WANT_A_PERSON = (DeviceState.WAITING, DeviceState.QUARANTINED)
_OF, _HEARD = table.device.c, table.device_heard.c


class RollCall:
    """Counts in the database, and reads a few devices whole; `records` reads those of some ids."""

    def __init__(
        self,
        db: Database,
        newest: Callable[[str, Seen], Seen],
        records: Callable[[Sequence[str]], list[DeviceRecord]],
    ) -> None:
        self._db = db
        self._newest = newest
        self._records = records

    def call(self, now: float, silence_s: float, most: int) -> tuple[FleetCounts, list[DeviceRecord]]:
        """The counts, with devices that are silent (`Seen.is_silent`) as away, and `most` devices at most.

        Those that wait for a person come first, then those that are away, then the others; each by name.
        """
        with self._db.read() as connection:
            states: dict[str, int] = {row[0]: row[1] for row in connection.execute(_BY_STATE)}
            running = [RunningCount(model=row[0], version=row[1], devices=row[2]) for row in connection.execute(_RUN)]
            waiting = connection.scalars(_BY_NAME.where(_OF.state.in_(WANT_A_PERSON)).limit(most)).all()
            silent = self._silent(connection, now, silence_s)
            others = connection.scalars(_BY_NAME.limit(most)).all()
        counts = FleetCounts(devices=sum(states.values()), states=states, away=len(silent), running=tuple(running))
        chosen = list(dict.fromkeys((*waiting, *silent[:most], *others)))[:most]
        record_of = {one.id: one for one in self._records(chosen)}
        return counts, [record_of[id] for id in chosen if id in record_of]

    def _silent(self, connection: sa.Connection, now: float, silence_s: float) -> list[str]:
        """Active devices that are silent, by name: what is in memory may be newer."""
        query = (
            sa.select(_OF.id, _OF.name, _HEARD.last_seen_at, _HEARD.poll_s)
            .select_from(table.devices)
            .where(_OF.state == DeviceState.ACTIVE)
        )
        query = query.where(sa.or_(_HEARD.last_seen_at.is_(None), _HEARD.last_seen_at < now - silence_s))
        found = [
            (name, id)
            for id, name, seen_at, poll_s in connection.execute(query)
            if self._newest(id, Seen(at=seen_at, poll_s=poll_s)).is_silent(now, silence_s)
        ]
        return [id for _, id in sorted(found)]


_BY_STATE = sa.select(_OF.state, sa.func.count()).group_by(_OF.state)
_BY_NAME = sa.select(_OF.id).order_by(_OF.name, _OF.id)
_M = table.device_model.c
_RUN = sa.select(_M.model, _M.version, sa.func.count()).where(_M.version > 0).group_by(_M.model, _M.version)
_RUN = _RUN.order_by(_M.model, _M.version)
