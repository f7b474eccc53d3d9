"""Samples are deleted physically: from the lake, then from the database, then their blobs. Each step can be repeated.

The lake goes first: until the database has forgotten a sample, a repeated deletion finds it again. Blobs that are to
go are listed in the transaction that forgets their samples, so a crash leaves none behind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import SnapshotRecord
from edgewright.hub.data import table
from edgewright.hub.data.lake import Lake
from edgewright.hub.data.lake.mover import PLACE, day_of
from edgewright.hub.data.lake.tables import Partition
from edgewright.hub.data.samples import labels
from edgewright.hub.data.snapshots import marks
from edgewright.hub.data.snapshots.marks import Mark
from edgewright.hub.db import Database, insert_all, scrubbing

AT_ONCE = 400
BLOBS_AT_ONCE = 50
TABLES = (table.sample, table.label, table.lake_row, table.waiting_label)


class Doomed(NamedTuple):
    """A sample that is to be deleted."""

    id: str
    model: str
    at: float
    sha256: str


class Removed(NamedTuple):
    """What went, of each kind."""

    samples: int = 0
    lake_rows: int = 0
    blobs: int = 0


class Removal:
    """Deletes samples. `forget` deletes a blob, wherever there are copies of it."""

    def __init__(self, db: Database, lake: Lake, forget: Callable[[str], None]) -> None:
        self._db = db
        self._lake = lake
        self._forget = forget

    def remove(self, samples: Sequence[Doomed]) -> Removed:
        """Delete samples with their labels, in the lake, in the database and as blobs. Raises LakeAway."""
        if not samples:
            return Removed(blobs=self.sweep())
        partitions: dict[Partition, list[str]] = defaultdict(list)
        for sample in samples:
            partitions[Partition(sample.model, day_of(sample.at))].append(sample.id)
        with self._db.alone(PLACE):
            lake_rows = self._lake.delete(partitions)
            self._forget_rows(samples)
        return Removed(len(samples), lake_rows, self.sweep())

    def forget_waiting(self, now: float) -> Counter[str]:
        """Delete labels that have waited too long for their samples; returns how many of which model."""
        with self._db.read() as connection:
            if not labels.has_forgettable(connection, now):
                return Counter()
        with self._db.write() as connection:
            scrubbing.begin(connection)
            forgotten = labels.forget_waiting(connection, now)
        scrubbing.finish(self._db.engine, TABLES)
        return forgotten

    def forget_marks(self, gone: Collection[Mark]) -> None:
        """Delete what finds the rows of a person whose data was erased."""
        if gone:
            with self._db.write() as connection:
                scrubbing.begin(connection)
                marks.forget(connection, gone)
            scrubbing.finish(self._db.engine, (table.subject_row,))

    def doom(self, connection: sa.Connection, digests: Sequence[str]) -> None:
        """Have blobs deleted by the next `sweep`, unless something still refers to them."""
        of = table.doomed_blob.c.sha256
        known = set(connection.scalars(sa.select(of)))
        insert_all(connection, table.doomed_blob, [{"sha256": one} for one in sorted(set(digests) - known)])

    def sweep(self) -> int:
        """Delete the blobs that are to go; returns how many went."""
        of = table.doomed_blob.c.sha256
        with self._db.read() as connection:
            doomed = list(connection.scalars(sa.select(of)))
        gone = 0
        for start in range(0, len(doomed), BLOBS_AT_ONCE):
            part = doomed[start : start + BLOBS_AT_ONCE]
            with self._db.write() as connection:  # nobody refers to one of them meanwhile
                unneeded = set(part) - _needed(connection, part)
                for sha256 in sorted(unneeded):
                    self._forget(sha256)
                connection.execute(sa.delete(table.doomed_blob).where(of.in_(part)))
            gone += len(unneeded)
        return gone

    def _forget_rows(self, samples: Sequence[Doomed]) -> None:
        ids = [sample.id for sample in samples]
        with self._db.write() as connection:
            scrubbing.begin(connection)
            for start in range(0, len(ids), AT_ONCE):
                part = ids[start : start + AT_ONCE]
                connection.execute(sa.delete(table.lake_row).where(table.lake_row.c.sample.in_(part)))
                connection.execute(sa.delete(table.label).where(table.label.c.sample.in_(part)))
                connection.execute(sa.delete(table.sample).where(table.sample.c.id.in_(part)))
            self.doom(connection, [sample.sha256 for sample in samples])
        scrubbing.finish(self._db.engine, TABLES)


def _needed(connection: sa.Connection, digests: Sequence[str]) -> set[str]:
    """Those that a sample still has, or a snapshot that was not replaced."""
    of = table.sample.c.sha256
    held = set(connection.scalars(sa.select(of).where(of.in_(digests))))
    for record in connection.scalars(sa.select(table.snapshot.c.record)):
        snapshot = msgspec.convert(record, SnapshotRecord)
        if not snapshot.replaced_by:
            held.update(file.sha256 for file in snapshot.files)
    return held
