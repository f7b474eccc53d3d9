"""Datasets as immutable snapshots, samples from the field, and the labels that people give them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract import report
from edgewright.contract.api import (
    FileRef,
    LabelChange,
    LabelDraft,
    LabelProgress,
    LabelReply,
    LabelSource,
    SampleRecord,
    SnapshotDraft,
    SnapshotRecord,
)
from edgewright.hub.data import labels, npz, table
from edgewright.hub.data import samples as store
from edgewright.hub.data.model import (
    HOLDOUT,
    HOLDOUT_NEW,
    LABEL,
    TRAIN,
    Answer,
    NothingLabelled,
    UnknownSnapshot,
    check_files,
    check_rows,
    grow,
    snapshot_digest,
    split,
)
from edgewright.hub.data.samples import Predicted, read_tensors
from edgewright.hub.db import Database
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
        predicted: Predicted = lambda sample: None,
    ) -> list[str]:
        """Keep samples that a device sent; one that is known already changes nothing. Returns all their ids.

        `predicted` says which class the version that answered chose. A device names its samples as it likes, so here
        they are named after it too: none reaches another's.
        """
        touched = store.add(connection, device, samples, predicted, self._blobs.put_bytes, lambda sample: None)
        for (model, request), count in Counter((item.model, item.request) for item in samples).items():
            self._events.record(connection, "data.sample", request, model=model, count=count)
        self._tell_labelled(connection, touched)
        return [item.id for item in samples]

    def sample_ids(self, connection: sa.Connection, device: str, request: str) -> set[str]:
        """The ids of the samples that a device has sent for a request."""
        return store.ids_of(connection, device, request)

    def samples(
        self,
        model: str = "",
        *,
        request: str = "",
        unlabelled: bool = False,
        is_labelled: bool | None = None,
        is_disputed: bool | None = None,
        limit: int | None = None,
    ) -> list[SampleRecord]:
        """Captured samples, oldest first; `unlabelled` is `is_labelled=False`."""
        asked = False if unlabelled else is_labelled
        with self._db.read() as connection:
            return store.find(
                connection, model, request=request, is_labelled=asked, is_disputed=is_disputed, limit=limit
            )

    def labelled(
        self, connection: sa.Connection, model: str, version: int, devices: Sequence[str], since: float
    ) -> tuple[int, int]:
        """How many labelled samples of these devices a version answered right, and how many there are.

        Those of the reservoir alone, taken since a moment: the others were chosen because the model was unsure.
        """
        return store.right_of(connection, model, version, devices, since)

    def answers(self, connection: sa.Connection, model: str, version: int, after: int = 0) -> Sequence[Answer]:
        """Each labelled sample of a version once, in the order in which their first labels came, those after `after`.

        Its label is the one that holds now; a sample whose label was withdrawn is left out.
        """
        return store.answers(connection, model, version, after)

    def label(
        self,
        principal: Principal,
        drafts: Sequence[LabelDraft],
        *,
        source: LabelSource = LabelSource.API,
        is_partial: bool = False,
        dry_run: bool = False,
    ) -> LabelReply:
        """Say what samples show; raises UnknownSample and InvalidInput, and then labels none.

        With `is_partial` what is known is labelled; a label by reference waits for its sample, and other names are
        told as unknown.
        """
        given = labels.Given(by=principal.name, at=self._clock(), source=source, is_partial=is_partial)
        with self._db.write() as connection:
            attempt = connection.begin_nested()
            outcome = labels.apply(connection, drafts, given)
            if dry_run:
                attempt.rollback()
                return outcome.reply
            attempt.commit()
            if outcome.touched:
                models = ", ".join(sorted({model for model, _ in outcome.touched}))
                count = outcome.touched.total()
                self._audit.record(connection, principal.name, "sample.label", models[:200], count=count, source=source)
            self._tell_labelled(connection, outcome.touched)
        return outcome.reply

    def history(self, sample: str) -> list[LabelChange]:
        """Everything that was said of a sample, in the order of arrival; raises UnknownSample."""
        with self._db.read() as connection:
            return labels.history(connection, sample)

    def progress(self, model: str) -> LabelProgress:
        """How far the labelling of a model's samples is."""
        with self._db.read() as connection:
            return labels.progress(connection, model)

    def _tell_labelled(self, connection: sa.Connection, touched: Counter[tuple[str, str]]) -> None:
        for (model, request), count in sorted(touched.items()):
            facts = {"model": model, "request": request, "count": count}
            self._events.record(connection, "data.labelled", model, **facts)

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
