"""Datasets as immutable snapshots, samples from the field, and the labels that people give them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract import arrays, report
from edgewright.contract.api import FileRef, LabelDraft, SampleRecord, SnapshotDraft, SnapshotRecord
from edgewright.contract.errors import HostileInput
from edgewright.hub.data import npz, table
from edgewright.hub.data.model import (
    HOLDOUT,
    HOLDOUT_NEW,
    LABEL,
    RESERVOIR,
    TRAIN,
    NothingLabelled,
    UnknownSample,
    UnknownSnapshot,
    check_files,
    check_rows,
    grow,
    sample_id,
    snapshot_digest,
    split,
)
from edgewright.hub.db import Database, to_record
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.registry import Blobs, check_name


class Data:
    """Snapshots and samples. A snapshot's files are blobs; what is equal in two snapshots is kept once."""

    def __init__(self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], blobs: Blobs) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._blobs = blobs

    def create(self, principal: Principal, draft: SnapshotDraft, *, dry_run: bool = False) -> SnapshotRecord:
        """Keep a new snapshot of uploaded files; files equal to the newest snapshot's give that one back."""
        check_name(draft.dataset, "dataset")
        check_files(draft.files)
        for file in draft.files:
            self._check_file(file)
        digest = snapshot_digest(draft.files)
        with self._db.write() as connection:
            newest = self._newest(connection, draft.dataset)
            if newest is not None and newest.digest == digest:
                return newest
            number = newest.number + 1 if newest else 1
            record = SnapshotRecord(
                id=f"{draft.dataset}@{number}",
                dataset=draft.dataset,
                number=number,
                digest=digest,
                files=draft.files,
                parent=draft.parent or (newest.id if newest else ""),
                note=draft.note,
                created_at=self._clock(),
                created_by=principal.name,
            )
            if not dry_run:
                self._save(connection, principal, record)
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
                query = sa.select(table.snapshot.c.record).where(
                    table.snapshot.c.dataset == dataset,
                    table.snapshot.c.number == (int(number) if number.isdecimal() and len(number) < 10 else -1),
                )
                record = connection.scalar(query)
                found = msgspec.convert(record, SnapshotRecord) if record else None
        if found is None:
            hint = "" if number else f"Freeze a folder first: `edgewright data snapshot {dataset} FOLDER`."
            raise UnknownSnapshot(f"there is no snapshot '{snapshot_id}'", field="snapshot", hint=hint)
        return found

    def file(self, snapshot_id: str, path: str) -> Path:
        """Where one file of a snapshot lies, for reading; raises UnknownSnapshot."""
        snapshot = self.snapshot(snapshot_id)
        for file in snapshot.files:
            if file.path == path:
                return self._blobs.path(file.sha256)
        hint = f"It has {', '.join(file.path for file in snapshot.files)}."
        raise UnknownSnapshot(f"snapshot {snapshot.id} has no file '{path}'", field="snapshot", hint=hint)

    def rows(self, snapshot_id: str) -> tuple[Path, Path]:
        """Where the training rows and the hold-out of a snapshot lie; raises UnknownSnapshot if it lacks one."""
        return self.file(snapshot_id, TRAIN), self.file(snapshot_id, HOLDOUT)

    def has(self, snapshot_id: str, path: str) -> bool:
        """Whether the snapshot has a file of that path."""
        return any(file.path == path for file in self.snapshot(snapshot_id).files)

    def arrays(self, snapshot_id: str, path: str) -> dict[str, np.ndarray]:
        """The arrays of one .npz file of a snapshot, by name."""
        return npz.read(self.file(snapshot_id, path), path)

    def materialise(self, snapshot_id: str, folder: Path) -> None:
        """Copy every file of a snapshot into `folder`."""
        for file in self.snapshot(snapshot_id).files:
            place = folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blobs.path(file.sha256), place)

    def add_samples(
        self,
        connection: sa.Connection,
        device: str,
        samples: Sequence[report.Sample],
        predicted: Callable[[report.Sample], int | None] = lambda sample: None,
    ) -> list[str]:
        """Keep samples that a device sent; one that is known already changes nothing. Returns all their ids.

        `predicted` says which class the version that answered chose. A device names its samples as it likes, so here
        they are named after it too: none reaches another's.
        """
        for item in samples:
            id = sample_id(device, item.id)
            if connection.scalar(sa.select(table.sample.c.id).where(table.sample.c.id == id)) is None:
                read_tensors(item.inputs)
                row = {name: getattr(item, name) for name in _COPIED}
                sha256 = self._blobs.put_bytes(item.inputs)
                values = {**row, "id": id, "device": device, "sha256": sha256, "predicted": predicted(item)}
                connection.execute(sa.insert(table.sample).values(values))
                self._events.record(connection, "data.sample", item.request, model=item.model)
        return [item.id for item in samples]

    def sample_ids(self, connection: sa.Connection, device: str, request: str) -> set[str]:
        """The ids of the samples that a device has sent for a request."""
        query = sa.select(table.sample.c.id).where(table.sample.c.request == request, table.sample.c.device == device)
        return set(connection.scalars(query))

    def samples(self, model: str = "", *, request: str = "", unlabelled: bool = False) -> list[SampleRecord]:
        """Captured samples, oldest first."""
        query = sa.select(table.sample).order_by(table.sample.c.at, table.sample.c.id)
        if model:
            query = query.where(table.sample.c.model == model)
        if request:
            query = query.where(table.sample.c.request == request)
        if unlabelled:
            query = query.where(table.sample.c.label.is_(None))
        with self._db.read() as connection:
            return [to_record(row, SampleRecord) for row in connection.execute(query).mappings()]

    def labelled(
        self, connection: sa.Connection, model: str, version: int, devices: Sequence[str], since: float
    ) -> tuple[int, int]:
        """How many labelled samples of these devices a version answered right, and how many there are.

        Those of the reservoir alone, taken since a moment: the others were chosen because the model was unsure.
        """
        of = table.sample.c
        right = sa.func.coalesce(sa.func.sum(sa.case((of.label == of.predicted, 1), else_=0)), 0)
        query = sa.select(right, sa.func.count()).where(of.model == model, of.version == version, of.at >= since)
        query = query.where(of.chosen_as == RESERVOIR, of.label.is_not(None), of.predicted.is_not(None))
        found = connection.execute(query.where(of.device.in_(devices))).one()
        return int(found[0]), int(found[1])

    def label(self, principal: Principal, drafts: Sequence[LabelDraft], *, dry_run: bool = False) -> int:
        """Say what samples show; raises UnknownSample, and then labels none. Returns how many were labelled."""
        with self._db.write() as connection:
            for draft in drafts:
                if connection.scalar(sa.select(table.sample.c.id).where(table.sample.c.id == draft.sample)) is None:
                    raise UnknownSample(f"there is no sample '{draft.sample}'", field="sample")
            if dry_run:
                return len(drafts)
            for draft in drafts:
                values = {"label": draft.label, "labelled_by": principal.name}
                connection.execute(sa.update(table.sample).where(table.sample.c.id == draft.sample).values(**values))
            if drafts:
                self._audit.record(connection, principal.name, "sample.label", drafts[0].sample, count=len(drafts))
                self._events.record(connection, "data.labelled", principal.name, count=len(drafts))
        return len(drafts)

    def extend(self, principal: Principal, snapshot_id: str, model: str, request: str) -> SnapshotRecord:
        """A new snapshot: the old one, and the labelled samples of a request.

        The samples that were chosen because the model was unsure join the training rows. Those of the reservoir,
        which stand for the field as it is, become the hold-out of the new conditions; one whose reference is also
        among the training rows is left out, so that nothing is learned from the answers.
        """
        old = self.snapshot(snapshot_id)
        labelled = [item for item in self.samples(model, request=request) if item.label is not None]
        if not labelled:
            raise NothingLabelled(f"no sample of request '{request}' has a label", field="request")
        files = {file.path: file for file in old.files}
        for path, rows in zip((TRAIN, HOLDOUT_NEW), split(labelled), strict=True):
            if rows:
                before = self.arrays(old.id, path) if path in files else None
                files[path] = self._store(path, grow(before, self._stack(rows)))
        note = f"{len(labelled)} labelled samples of {request}"
        draft = SnapshotDraft(dataset=old.dataset, files=tuple(files.values()), parent=old.id, note=note)
        return self.create(principal, draft)

    def _stack(self, rows: Sequence[SampleRecord]) -> dict[str, np.ndarray]:
        loaded = [read_tensors(self._blobs.path(item.sha256).read_bytes()) for item in rows]
        stacked = {name: np.concatenate([arrays[name] for arrays in loaded]) for name in loaded[0]}
        stacked[LABEL] = np.array([item.label for item in rows], dtype=np.int64)
        return stacked

    def _store(self, path: str, arrays: dict[str, np.ndarray]) -> FileRef:
        data = npz.write(arrays)
        return FileRef(path=path, sha256=self._blobs.put_bytes(data), size_bytes=len(data))

    def _check_file(self, file: FileRef) -> None:
        place = self._blobs.path(file.sha256)
        if file.path.endswith(".npz"):
            check_rows(npz.read(place, file.path), file.path)

    def _newest(self, connection: sa.Connection, dataset: str) -> SnapshotRecord | None:
        query = (
            sa.select(table.snapshot.c.record)
            .where(table.snapshot.c.dataset == dataset)
            .order_by(table.snapshot.c.number.desc())
            .limit(1)
        )
        record = connection.scalar(query)
        return msgspec.convert(record, SnapshotRecord) if record else None

    def _save(self, connection: sa.Connection, principal: Principal, record: SnapshotRecord) -> None:
        row = {"dataset": record.dataset, "number": record.number, "record": msgspec.to_builtins(record)}
        connection.execute(sa.insert(table.snapshot).values(**row))
        self._audit.record(connection, principal.name, "snapshot.create", record.id, digest=record.digest)
        self._events.record(connection, "data.snapshot_created", record.id)


_COPIED = ("model", "version", "request", "reference", "chosen_as", "uncertainty", "at")


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a sample by name; raises HostileInput."""
    try:
        return arrays.decode(data, "a sample's inputs")
    except HostileInput as error:
        raise HostileInput(error.message, field="inputs") from error
