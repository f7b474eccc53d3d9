"""Datasets as immutable snapshots: their files are blobs, and what is equal in two snapshots is kept once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract.api import FileDiff, FileRef, SnapshotDiff, SnapshotDraft, SnapshotRecord
from edgewright.hub.data import npz, table
from edgewright.hub.data.model import (
    HOLDOUT,
    HOLDOUT_NEW,
    TRAIN,
    UnknownSnapshot,
    check_files,
    check_rows,
    newest,
    snapshot_digest,
)
from edgewright.hub.data.snapshots import rows
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.registry import Blobs, check_name

MAX_SUCCESSORS = 1000


class Snapshots:
    """Snapshots, and how two of them differ. One whose rows somebody had erased is read as its successor."""

    def __init__(self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], blobs: Blobs) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._blobs = blobs

    def create(
        self,
        principal: Principal,
        draft: SnapshotDraft,
        *,
        added: int = 0,
        request: str = "",
        dry_run: bool = False,
    ) -> SnapshotRecord:
        """Keep a new snapshot of uploaded files; files equal to the newest snapshot's give that one back.

        `added` says how many labelled samples have joined its parent, and `request` for which run it was made.
        """
        check_name(draft.dataset, "dataset")
        check_files(draft.files)
        for file in draft.files:
            self._check_file(file)
        digest = snapshot_digest(draft.files)
        with self._db.write() as connection:
            before = self._newest(connection, draft.dataset)
            if before is not None and before.digest == digest:
                return before
            number = self._next_number(connection, draft.dataset)
            record = SnapshotRecord(
                id=f"{draft.dataset}@{number}",
                dataset=draft.dataset,
                number=number,
                digest=digest,
                files=draft.files,
                parent=draft.parent or (before.id if before else ""),
                note=draft.note,
                created_at=self._clock(),
                created_by=principal.name,
            )
            if not dry_run:
                self._save(connection, principal, record, {"added": added, "request": request})
        return record

    def snapshots(self, dataset: str = "") -> list[SnapshotRecord]:
        """All snapshots, or those of one dataset, oldest first."""
        query = sa.select(table.snapshot.c.record).order_by(table.snapshot.c.dataset, table.snapshot.c.number)
        if dataset:
            query = query.where(table.snapshot.c.dataset == dataset)
        with self._db.read() as connection:
            return [msgspec.convert(row.record, SnapshotRecord) for row in connection.execute(query)]

    def snapshot(self, snapshot_id: str) -> SnapshotRecord:
        """One snapshot by 'dataset@number', or a dataset's newest by its name alone; raises UnknownSnapshot."""
        dataset, _, number = snapshot_id.partition("@")
        with self._db.read() as connection:
            if not number:
                found = self._newest(connection, dataset)
            else:
                wanted = int(number) if number.isdecimal() and len(number) < 10 else -1
                found = self._numbered(connection, dataset, wanted)
        if found is None:
            hint = "" if number else f"Freeze a folder first: `edgewright data snapshot {dataset} FOLDER`."
            raise UnknownSnapshot(f"there is no snapshot '{snapshot_id}'", field="snapshot", hint=hint)
        return found

    def file(self, snapshot_id: str, path: str) -> Path:
        """Where one file of a snapshot lies, for reading; raises UnknownSnapshot."""
        snapshot = self.readable(snapshot_id)
        for file in snapshot.files:
            if file.path == path:
                return self._blobs.path(file.sha256)
        hint = f"It has {', '.join(file.path for file in snapshot.files)}."
        raise UnknownSnapshot(f"snapshot {snapshot.id} has no file '{path}'", field="snapshot", hint=hint)

    def readable(self, snapshot_id: str) -> SnapshotRecord:
        """The snapshot, or its last successor where rows of it were erased; raises UnknownSnapshot."""
        snapshot = self.snapshot(snapshot_id)
        for _ in range(MAX_SUCCESSORS):
            if not snapshot.replaced_by:
                break
            snapshot = self.snapshot(snapshot.replaced_by)
        return snapshot

    def rows(self, snapshot_id: str) -> tuple[Path, Path]:
        """Where the training rows and the hold-out of a snapshot lie; raises UnknownSnapshot if it lacks one."""
        return self.file(snapshot_id, TRAIN), self.file(snapshot_id, HOLDOUT)

    def has(self, snapshot_id: str, path: str) -> bool:
        """Whether the snapshot has a file of that path."""
        return any(file.path == path for file in self.readable(snapshot_id).files)

    def arrays(self, snapshot_id: str, path: str) -> dict[str, np.ndarray]:
        """The arrays of one .npz file of a snapshot, by name."""
        return npz.read(self.file(snapshot_id, path), path)

    def materialise(self, snapshot_id: str, folder: Path) -> None:
        """Copy every file of a snapshot into `folder`."""
        for file in self.readable(snapshot_id).files:
            place = folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blobs.path(file.sha256), place)

    def replace(
        self, connection: sa.Connection, principal: Principal, old: SnapshotRecord, files: Sequence[FileRef]
    ) -> SnapshotRecord:
        """A successor that takes the place of `old`, whose own files may go then."""
        number = self._next_number(connection, old.dataset)
        record = SnapshotRecord(
            id=f"{old.dataset}@{number}",
            dataset=old.dataset,
            number=number,
            digest=snapshot_digest(files),
            files=tuple(files),
            parent=old.id,
            note=f"{old.id} without rows that were erased",
            created_at=self._clock(),
            created_by=principal.name,
        )
        self._save(connection, principal, record, {"added": 0, "request": "erasure"})
        given_up = msgspec.to_builtins(msgspec.structs.replace(old, replaced_by=record.id))
        of = table.snapshot.c
        where = sa.and_(of.dataset == old.dataset, of.number == old.number)
        connection.execute(sa.update(table.snapshot).where(where).values(record=given_up))
        self._audit.record(connection, principal.name, "snapshot.replace", old.id, by=record.id)
        return record

    def diff(self, before: str, after: str) -> SnapshotDiff:
        """What became of one snapshot in another: files by name, rows by content. Raises UnknownSnapshot."""
        old, new = self.readable(before), self.readable(after)
        files = {file.path: file for file in new.files}
        known = {file.path: file for file in old.files}
        diffs = [self._file_diff(path, known.get(path), files.get(path)) for path in sorted(known | files)]
        return SnapshotDiff(before=old.id, after=new.id, files=tuple(diffs), leaks=self.leaks(new))

    def leaks(self, snapshot: SnapshotRecord) -> int:
        """How many rows of its hold-outs a snapshot lets be learned from."""
        files = {file.path: file for file in snapshot.files}
        if TRAIN not in files:
            return 0
        train = self._read(files[TRAIN])
        held = [self._read(files[path]) for path in (HOLDOUT, HOLDOUT_NEW) if path in files]
        return sum(rows.shared(train, one) for one in held)

    def _file_diff(self, path: str, before: FileRef | None, after: FileRef | None) -> FileDiff:
        if before is not None and after is not None:
            if path.endswith(".npz"):
                return rows.compare(path, self._read(before), self._read(after))
            return FileDiff(path=path, change="same" if before.sha256 == after.sha256 else "changed")
        old, new = self._count(before), self._count(after)
        change = "added" if before is None else "removed"
        return FileDiff(path=path, change=change, rows_before=old, rows_after=new, rows_added=new, rows_removed=old)

    def _count(self, file: FileRef | None) -> int | None:
        if file is None or not file.path.endswith(".npz"):
            return None
        return check_rows(self._read(file), file.path)

    def _read(self, file: FileRef) -> dict[str, np.ndarray]:
        return npz.read(self._blobs.path(file.sha256), file.path)

    def _store(self, path: str, arrays: dict[str, np.ndarray]) -> FileRef:
        data = npz.write(arrays)
        return FileRef(path=path, sha256=self._blobs.put_bytes(data), size_bytes=len(data))

    def _check_file(self, file: FileRef) -> None:
        place = self._blobs.path(file.sha256)
        if file.path.endswith(".npz"):
            check_rows(npz.read(place, file.path), file.path)

    def _newest(self, connection: sa.Connection, dataset: str) -> SnapshotRecord | None:
        of = table.snapshot.c
        query = sa.select(of.number, of.record["replaced_by"].as_string()).where(of.dataset == dataset)
        found = [(number, successor or "") for number, successor in connection.execute(query.order_by(of.number))]
        number = newest(found)
        return self._numbered(connection, dataset, number) if number is not None else None

    def _numbered(self, connection: sa.Connection, dataset: str, number: int) -> SnapshotRecord | None:
        of = table.snapshot.c
        record = connection.scalar(sa.select(of.record).where(of.dataset == dataset, of.number == number))
        return msgspec.convert(record, SnapshotRecord) if record else None

    def _next_number(self, connection: sa.Connection, dataset: str) -> int:
        of = table.snapshot.c
        return (connection.scalar(sa.select(sa.func.max(of.number)).where(of.dataset == dataset)) or 0) + 1

    def _save(
        self, connection: sa.Connection, principal: Principal, record: SnapshotRecord, why: Mapping[str, int | str]
    ) -> None:
        row = {"dataset": record.dataset, "number": record.number, "record": msgspec.to_builtins(record)}
        connection.execute(sa.insert(table.snapshot).values(**row))
        self._audit.record(connection, principal.name, "snapshot.create", record.id, digest=record.digest)
        facts = {"dataset": record.dataset, "parent": record.parent, **why}
        self._events.record(connection, "data.snapshot_created", record.id, **facts)
