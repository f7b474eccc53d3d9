"""What came of each step of each run, and which results may be used again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import StepRecord, StepState
from edgewright.hub.automate.pipelines import table
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.db import Database

FINE = (StepState.DONE, StepState.REUSED, StepState.SKIPPED)


class Records:
    """One row to a step of a run; and one to a digest, with the newest result under it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, connection: sa.Connection, model: str, records: Sequence[StepRecord]) -> bool:
        """Keep the steps of a run that has just been asked for, in their order. False if they are there already."""
        query = sa.select(table.step.c.run).where(table.step.c.run == records[0].run).limit(1)
        if connection.scalar(query) is not None:
            return False
        for place, record in enumerate(records):
            row = {"run": record.run, "name": record.name, "place": place, "model": model}
            connection.execute(sa.insert(table.step).values(**row, record=msgspec.to_builtins(record)))
        return True

    def of(self, run: str) -> tuple[StepRecord, ...]:
        """The steps of a run, in order; none if it is no pipeline's."""
        query = sa.select(table.step.c.record).where(table.step.c.run == run).order_by(table.step.c.place)
        with self._db.read() as connection:
            return tuple(msgspec.convert(row.record, StepRecord) for row in connection.execute(query))

    def get(self, run: str, name: str) -> StepRecord:
        """One step of a run."""
        return next(record for record in self.of(run) if record.name == name)

    def save(self, record: StepRecord) -> None:
        """Keep how far a step is."""
        with self._db.write() as connection:
            where = (table.step.c.run == record.run, table.step.c.name == record.name)
            connection.execute(sa.update(table.step).where(*where).values(record=msgspec.to_builtins(record)))

    def find(self, digest: str) -> Result | None:
        """What was made under a digest; None if nothing was."""
        with self._db.read() as connection:
            kept = connection.scalar(sa.select(table.result.c.result).where(table.result.c.digest == digest))
        return None if kept is None else msgspec.convert(kept, Result)

    def keep(self, digest: str, model: str, step: str, result: Result, now: float) -> None:
        """Keep what a step made; a later result under the same digest takes its place."""
        row = {"model": model, "step": step, "result": msgspec.to_builtins(result), "made_at": now}
        with self._db.write() as connection:
            connection.execute(sa.delete(table.result).where(table.result.c.digest == digest))
            connection.execute(sa.insert(table.result).values(digest=digest, **row))

    def latest(self, model: str, name: str) -> StepRecord | None:
        """How a step ended in the newest run of the model in which it ended well."""
        query = (
            sa.select(table.step.c.record)
            .where(table.step.c.model == model, table.step.c.name == name)
            .order_by(table.step.c.number.desc())
        )
        with self._db.read() as connection:
            for row in connection.execute(query):
                record = msgspec.convert(row.record, StepRecord)
                if record.state in FINE:
                    return record
        return None
