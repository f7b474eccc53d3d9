"""Moves what has landed in SQL to the lake: in the background, in the order of arrival, each row exactly once.

A row waits in the database until the lake has committed it. What a crash cuts off in between is found again by the
number that the lake's commit bears, so nothing is lost and nothing lies there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.hub.data import table
from edgewright.hub.data.lake.tables import COLUMNS, Lake, LakeTable
from edgewright.hub.db import Database

ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 64 * 1024**2
PLACE = "lake"
"""Whoever writes to the lake holds this place of the database."""
TIDY_EVERY = 50
"""Appends make small files; after so many they are joined."""


FIRST_S = datetime.min.replace(tzinfo=UTC).timestamp()
LAST_S = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def day_of(at: float) -> str:
    """The UTC day of a moment, as partitions are called; what no calendar has lies on its first or last day."""
    return datetime.fromtimestamp(min(LAST_S, max(FIRST_S, at)), UTC).date().isoformat()


class Mover:
    """Moves rows; `path_of` says where a blob lies, and raises UnknownBlob."""

    def __init__(self, db: Database, lake: Lake, path_of: Callable[[str], Path]) -> None:
        self._db = db
        self._lake = lake
        self._path_of = path_of
        self._appends = 0
        self._landed_label = -1

    def move(self) -> int:
        """Move all that waits, unless another thread of any hub does so now. Returns how many rows it were.

        Raises LakeAway; what was moved until then is moved.
        """
        with self._db.alone(PLACE, wait=False) as is_mine:
            return self.move_held() if is_mine and self._is_waiting() else 0

    def move_held(self) -> int:
        """As `move`, for a caller that holds the place."""
        moved = 0
        while count := self._move_samples():
            moved += count
        while count := self._move_labels():
            moved += count
        if self._appends >= TIDY_EVERY:
            self._appends = 0
            self._lake.tidy()
        return moved

    def _is_waiting(self) -> bool:
        """Without the lake, whose library takes its time and memory: whether there is anything new at all."""
        newest_label = sa.select(sa.func.max(table.label.c.number))
        with self._db.read() as connection:
            if connection.scalar(sa.select(table.lake_row.c.number).limit(1)) is not None:
                return True
            return (connection.scalar(newest_label) or -1) > self._landed_label

    def _move_samples(self) -> int:
        """One append; rows that the lake has already are only let go."""
        landed = self._lake.landed(LakeTable.SAMPLES)
        of = table.lake_row.c
        query = (
            sa.select(of.number, of.outputs, table.sample)
            .join(table.sample, table.sample.c.id == of.sample)
            .where(of.number > landed)
            .order_by(of.number)
            .limit(ROWS_AT_ONCE)
        )
        with self._db.read() as connection:
            found = self._bounded(connection.execute(query).mappings().all())
        if found:
            landed = found[-1]["number"]
            self._append(LakeTable.SAMPLES, [row["values"] for row in found], landed)
        with self._db.write() as connection:
            connection.execute(sa.delete(table.lake_row).where(of.number <= landed))
        return len(found)

    def _bounded(self, rows: Sequence[sa.RowMapping]) -> list[dict[str, Any]]:
        """As many rows as memory has room for, with their inputs."""
        taken: list[dict[str, Any]] = []
        size_bytes = 0
        for row in rows:
            inputs = self._path_of(row["sha256"]).read_bytes()
            size_bytes += len(inputs) + len(row["outputs"])
            if taken and size_bytes > BYTES_AT_ONCE:
                break
            values = {name: row[name] for name in COLUMNS[LakeTable.SAMPLES] if name in row and name != "groups"}
            groups = msgspec.json.encode(row["groups"], order="sorted").decode()
            values |= {"inputs": inputs, "groups": groups, "day": day_of(row["at"])}
            taken.append({"number": row["number"], "values": values})
        return taken

    def _move_labels(self) -> int:
        landed = self._lake.landed(LakeTable.LABELS)
        query = sa.select(table.label).where(table.label.c.number > landed)
        with self._db.read() as connection:
            ordered = query.order_by(table.label.c.number).limit(ROWS_AT_ONCE)
            rows = [{**row, "day": day_of(row["at"])} for row in connection.execute(ordered).mappings()]
        if rows:
            landed = rows[-1]["number"]
            self._append(LakeTable.LABELS, rows, landed)
        self._landed_label = landed
        return len(rows)

    def _append(self, kind: LakeTable, rows: Sequence[dict[str, Any]], up_to: int) -> None:
        self._lake.append(kind, rows, up_to)
        self._appends += 1
