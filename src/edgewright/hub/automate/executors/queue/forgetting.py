"""Tasks that ended long ago are forgotten: their runs have the log, and the blobs what they left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api.workers import TaskState
from edgewright.hub.automate.executors.queue import table
from edgewright.hub.db import Database
from edgewright.hub.jobs import ENDED, run_table

KEPT_S = 30 * 86_400.0
SAID_KEPT_S = 86_400.0
"""How long what a task has said is kept: it is most of its row, and twice there."""
LOOK_EVERY_S = 3600.0
AT_ONCE = 50
"""Rows in one transaction: others write in between."""

_of = table.task.c


class Forgetting:
    """Looks through the queue once an hour. A task stays as it is while the run that wants it goes on."""

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Forget what is old, unless it has been looked for within this hour."""
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        has_said = sa.or_(_of.log != "", _of.finished["output"].as_string() != "")
        for ids in self._found(_has_ended(now - KEPT_S)):
            with self._db.write() as connection:
                connection.execute(sa.delete(table.task).where(_of.id.in_(ids)))
        for ids in self._found(sa.and_(_has_ended(now - SAID_KEPT_S), has_said)):
            with self._db.write() as connection:
                self._empty(connection, ids)

    def _found(self, which: sa.ColumnElement[bool]) -> Iterator[list[str]]:
        """Their ids, a few at a time. It is asked by reading, which holds nobody up: what has ended stays so."""
        with self._db.read() as connection:
            ids = list(connection.scalars(sa.select(_of.id).where(which)))
        for first in range(0, len(ids), AT_ONCE):
            yield ids[first : first + AT_ONCE]

    def _empty(self, connection: sa.Connection, ids: Sequence[str]) -> None:
        for row in connection.execute(sa.select(_of.id, _of.finished).where(_of.id.in_(ids))).all():
            values: dict[str, Any] = {"log": "", "finished": {**row.finished, "output": ""}}
            connection.execute(sa.update(table.task).where(_of.id == row.id).values(values))


def _has_ended(before: float) -> sa.ColumnElement[bool]:
    """Before then, and no run waits for it: a task has the id of its run."""
    waits = sa.exists().where(run_table.c.id == _of.id, run_table.c.state.not_in(ENDED))
    return sa.and_(_of.state == TaskState.ENDED, _of.ended_at < before, ~waits)
