"""Where studies are kept: one row each, saved after every trial, so that people see them grow."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import StudyRecord, StudyState
from edgewright.hub.db import Database
from edgewright.hub.optimize import table
from edgewright.hub.optimize.model import UnknownStudy


class Studies:
    """Saves and finds studies."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, connection: sa.Connection, record: StudyRecord) -> None:
        """Keep a new study; the same id again changes nothing."""
        of = table.study.c
        if connection.scalar(sa.select(of.id).where(of.id == record.id)) is None:
            key = {"id": record.id, "model": record.model, "version": record.version, "target": record.target}
            row = {**key, "started_at": record.started_at, "record": msgspec.to_builtins(record), "op_types": []}
            connection.execute(sa.insert(table.study).values(**row))

    def save(self, connection: sa.Connection, record: StudyRecord) -> None:
        """Keep what a study has become."""
        where = table.study.c.id == record.id
        connection.execute(sa.update(table.study).where(where).values(record=msgspec.to_builtins(record)))

    def grow(self, connection: sa.Connection, record: StudyRecord) -> StudyRecord:
        """Keep what a running study has become, and return it; one that is over stays as it ended, and is returned."""
        of = table.study.c
        found = msgspec.convert(
            connection.execute(sa.select(of.record).where(of.id == record.id)).scalar_one(), StudyRecord
        )
        if found.state is not StudyState.RUNNING:
            return found
        self.save(connection, record)
        return record

    def note_family(self, connection: sa.Connection, id: str, op_types: Sequence[str]) -> None:
        """Keep which operators the source of a study has."""
        connection.execute(sa.update(table.study).where(table.study.c.id == id).values(op_types=list(op_types)))

    def get(self, id: str) -> StudyRecord:
        """The study of that id; raises UnknownStudy."""
        with self._db.read() as connection:
            found = connection.scalar(sa.select(table.study.c.record).where(table.study.c.id == id))
        if found is None:
            raise UnknownStudy(f"there is no study '{id}'", field="study")
        return msgspec.convert(found, StudyRecord)

    def of(self, model: str, version: int, target: str = "") -> list[StudyRecord]:
        """A version's studies, the newest first, of one target or of all."""
        query = sa.select(table.study.c.record).order_by(table.study.c.started_at.desc())
        query = query.where(table.study.c.model == model, table.study.c.version == version)
        if target:
            query = query.where(table.study.c.target == target)
        with self._db.read() as connection:
            return [msgspec.convert(row.record, StudyRecord) for row in connection.execute(query)]

    def newest(self, model: str, version: int, target: str) -> StudyRecord:
        """A version's newest study on a target; raises UnknownStudy."""
        if not (found := self.of(model, version, target)):
            raise UnknownStudy(f"{model}@{version} was not optimised for {target}", field="target")
        return found[0]

    def family(self, model: str, before: int, target: str, op_types: Sequence[str]) -> list[StudyRecord]:
        """The ended studies on a target of earlier versions with the same operators, the newest version first."""
        of = table.study.c
        query = sa.select(of.record, of.op_types).where(of.model == model, of.version < before, of.target == target)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(of.version.desc(), of.started_at.desc())).all()
        found = [msgspec.convert(row.record, StudyRecord) for row in rows if row.op_types == list(op_types)]
        return [study for study in found if study.state in (StudyState.DONE, StudyState.UNMET)]
