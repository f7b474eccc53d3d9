"""The tables of the lake, on a folder or in an S3 bucket: append once, delete physically. deltalake is imported late.

Every append says up to which number it goes (a transaction identifier of the Delta protocol, "Transaction
Identifiers"): what was cut off between the lake's commit and the database's is not appended twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from edgewright.contract.api import LakeRecord
from edgewright.contract.errors import Unreachable

if TYPE_CHECKING:
    from arro3.core import Schema
    from deltalake import DeltaTable

log = structlog.get_logger()

APP = "edgewright"
PARTITIONS = ("model", "day")
IDS_AT_ONCE = 500
GRACE_H = 24
"""How long files that no version needs any more are kept for readers that began before."""
CONFIGURATION = {
    "delta.dataSkippingStatsColumns": "at",  # the log keeps no smallest and largest name of anybody
    "delta.logRetentionDuration": "interval 0 days",  # nobody travels back to what was deleted
}


class LakeAway(Unreachable):
    code = "lake_away"
    hint = "Check the folder or the bucket, and the AWS_* variables; what is to land there waits in the database."


class LakeTable(StrEnum):
    """The tables; each is partitioned by model and by the UTC day of `at`."""

    SAMPLES = "samples"
    LABELS = "labels"

    @property
    def key(self) -> str:
        """The column that names a sample."""
        return "id" if self is LakeTable.SAMPLES else "sample"


class Partition(msgspec.Struct, frozen=True, order=True):
    """The rows of one model and one day ('2026-11-21')."""

    model: str
    day: str


COLUMNS: Mapping[LakeTable, Mapping[str, str]] = {
    LakeTable.SAMPLES: {
        "id": "text",
        "model": "text",
        "day": "text",
        "version": "whole",
        "device": "text",
        "request": "text",
        "reference": "text",
        "chosen_as": "text",
        "uncertainty": "real",
        "weight": "real",
        "at": "real",
        "predicted": "whole or null",
        "subject": "text",
        "groups": "text",  # a JSON object
        "sha256": "text",
        "inputs": "bytes",  # safetensors
        "outputs": "bytes",
    },
    LakeTable.LABELS: {
        "number": "whole",
        "sample": "text",
        "model": "text",
        "day": "text",
        "label": "whole or null",
        "previous": "whole or null",
        "by": "text",
        "at": "real",
        "source": "text",
    },
}


class Lake:
    """Delta Lake tables under `url`, a folder or s3://BUCKET/PREFIX. One thread of all hubs writes at a time.

    All verbs raise LakeAway.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._options = dict(options or {})

    def landed(self, table: LakeTable) -> int:
        """Up to which number the rows of `table` are here; -1 before the first."""
        with _told_plainly(self.url):
            opened = self._open(table)
            return -1 if opened is None else int(opened.transaction_version(APP) or 0)

    def append(self, table: LakeTable, rows: Sequence[Mapping[str, Any]], up_to: int) -> None:
        """Add rows in one commit, which says that all up to that number are here."""
        from arro3.core import Array, Table
        from deltalake import CommitProperties, Transaction, write_deltalake

        schema = _schema(table)
        columns: dict[str, Any] = {
            name: Array([row[name] for row in rows], type=schema.field(name).type) for name in COLUMNS[table]
        }
        with _told_plainly(self.url):
            write_deltalake(
                self._place(table),
                Table.from_pydict(columns, schema=schema),
                partition_by=list(PARTITIONS),
                mode="append",
                configuration=None if self._open(table) else CONFIGURATION,
                storage_options=self._options or None,
                commit_properties=CommitProperties(app_transactions=[Transaction(APP, up_to)]),
            )

    def delete(self, samples: Mapping[Partition, Sequence[str]]) -> int:
        """Delete samples (ids by partition) with all that was said of them, physically; returns how many rows went.

        Files that held them are written anew without them, the old ones and the log of older versions are removed at
        once: a reader that began before may miss them. Safe to repeat, also after a crash in its midst.
        """
        deleted = 0
        with _told_plainly(self.url):
            for table in LakeTable:
                opened = self._open(table)
                if opened is not None:
                    deleted += _delete(opened, table, samples)
                    _forget(opened)
        return deleted

    def tidy(self) -> None:
        """Join small files, and remove what nobody has needed for a day."""
        with _told_plainly(self.url):
            for table in LakeTable:
                opened = self._open(table)
                if opened is not None:
                    opened.optimize.compact()
                    opened.vacuum(retention_hours=GRACE_H, dry_run=False, enforce_retention_duration=False)

    def describe(self) -> list[LakeRecord]:
        """Every table as it is now."""
        with _told_plainly(self.url):
            opened = {table: self._open(table) for table in LakeTable}
            return [_described(table, found) for table, found in opened.items() if found is not None]

    def _place(self, table: LakeTable) -> str:
        return f"{self.url}/{table}"

    def _open(self, table: LakeTable) -> DeltaTable | None:
        """The table; None before its first row. (DeltaTable.is_deltatable would stop every thread while it asks.)"""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._place(table), storage_options=self._options or None)
        except TableNotFoundError:
            return None


def _delete(opened: DeltaTable, table: LakeTable, samples: Mapping[Partition, Sequence[str]]) -> int:
    deleted = 0
    for partition, ids in sorted(samples.items()):
        where = f"model = {_quoted(partition.model)}"
        if table is LakeTable.SAMPLES:  # labels come on other days than their samples
            where += f" AND day = {_quoted(partition.day)}"
        for start in range(0, len(ids), IDS_AT_ONCE):
            named = ", ".join(map(_quoted, ids[start : start + IDS_AT_ONCE]))
            told = opened.delete(f"{where} AND {table.key} IN ({named})")
            deleted += int(told.get("num_deleted_rows") or 0)
    return deleted


def _forget(opened: DeltaTable) -> None:
    """Remove every file that the newest version does not need, and the log of the versions before."""
    opened.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    opened.create_checkpoint()
    opened.cleanup_metadata()


def _described(table: LakeTable, opened: DeltaTable) -> LakeRecord:
    actions = opened.get_add_actions(flatten=True)
    sizes = actions.column("size_bytes").to_pylist()
    rows = actions.column("num_records").to_pylist()
    return LakeRecord(
        table=table,
        url=opened.table_uri,
        version=opened.version(),
        files=len(sizes),
        size_bytes=sum(sizes),
        rows=sum(count or 0 for count in rows),
    )


def _schema(table: LakeTable) -> Schema:
    from arro3.core import DataType, Field, Schema

    types = {"text": DataType.utf8(), "whole": DataType.int64(), "real": DataType.float64(), "bytes": DataType.binary()}
    return Schema(
        [
            Field(name, types[kind.partition(" ")[0]], nullable=kind.endswith("null"))
            for name, kind in COLUMNS[table].items()
        ]
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextlib.contextmanager
def _told_plainly(url: str) -> Iterator[None]:
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError) as error:
        raise LakeAway(f"the lake at {url} cannot be used: {str(error)[:500]}", field="lake") from error
