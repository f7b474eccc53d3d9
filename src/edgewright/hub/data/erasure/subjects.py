"""A person's data is found by their key, listed with everything that saw it, and deleted for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    ErasureDraft,
    ErasureRecord,
    FileRef,
    SampleRecord,
    SeenBy,
    SnapshotRecord,
    SnapshotTrace,
)
from edgewright.contract.data_policy import hashed_reference, subject_key
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.hub.data import npz, table
from edgewright.hub.data.erasure.removal import AT_ONCE, Doomed, Removal
from edgewright.hub.data.erasure.traces import Finder, seen_by, trace, with_replaced
from edgewright.hub.data.samples.store import read_tensors
from edgewright.hub.data.service import Data
from edgewright.hub.data.snapshots import marks
from edgewright.hub.db import Database, to_record
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.registry import Blobs, Registry

MAX_SUBJECT_CHARS = 200
BACKUPS = "backups of the hub, and copies of snapshots that people or training machines took, are not reached"
DEVICES = "devices may hold samples that they have not sent yet: those are refused when they come"
WEIGHTS = "versions that learned from these rows keep what they learned: retrain from a successor, and roll that out"
SELF_TESTS = "packages carry rows as their self-test to devices: build and roll out new releases"
STEPS = "files that steps of pipelines made from these snapshots are kept to be used again, and not reached"
KEPT = "snapshots were left as they are, and can no longer be found by this person's name"


class SnapshotsAffected(Refused):
    code = "snapshots_affected"
    hint = "--rewrite gives each a successor without these rows; --keep-snapshots leaves them as they are."


class Erasures:
    """Erases what is known of people."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Callable[[], float],
        data: Data,
        registry: Registry,
        blobs: Blobs,
        removal: Removal,
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._data = data
        self._registry = registry
        self._blobs = blobs
        self._removal = removal

    def erase(self, principal: Principal, draft: ErasureDraft, *, dry_run: bool = False) -> ErasureRecord:
        """Delete all samples of a subject; a dry run lists what would go. Safe to repeat, also after a crash.

        Raises InvalidInput, LakeAway, and SnapshotsAffected where nobody has said what becomes of snapshots.
        """
        if not 0 < len(draft.subject) <= MAX_SUBJECT_CHARS:
            raise InvalidInput(f"a subject has 1 to {MAX_SUBJECT_CHARS} characters", field="subject")
        found = self._find(draft.subject)
        samples = [read_tensors(self._blobs.path(item.sha256).read_bytes()) for item in found]
        with self._db.read() as connection:
            marked = marks.find(connection, draft.subject)
        finder = Finder(samples, marked, self._blobs.path)
        snapshots = self._data.snapshots()
        held = [(one, told) for one in snapshots if not one.replaced_by and (told := trace(one, finder))]
        record = self._told(draft, found, finder, [told for _, told in held], snapshots)
        if dry_run:
            return record
        if held and draft.rewrite is None:
            names = ", ".join(snapshot.id for snapshot, _ in held)
            raise SnapshotsAffected(f"rows of these samples are in {names}; nothing was erased", field="rewrite")
        self._refuse_late(draft.subject)
        if draft.rewrite:  # first: without the samples, their rows could not be found again
            record = msgspec.structs.replace(record, snapshots=tuple(self._rewrite(principal, held, finder)))
        removed = self._removal.remove([Doomed(item.id, item.model, item.at, item.sha256) for item in found])
        self._removal.forget_marks(marked)
        record = msgspec.structs.replace(record, lake_rows=removed.lake_rows, blobs=removed.blobs)
        self._note(principal, draft, record)
        return record

    def _find(self, subject: str) -> list[SampleRecord]:
        """By the key of the subject, and by references that name it as policies say that they do."""
        of = table.sample.c
        named = _names(of.reference, subject) | (of.reference == hashed_reference(subject))
        query = sa.select(table.sample).where((of.subject == subject_key(subject)) | named).order_by(of.at, of.id)
        with self._db.read() as connection:
            return [to_record(row, SampleRecord) for row in connection.execute(query).mappings()]

    def _told(
        self,
        draft: ErasureDraft,
        found: Sequence[SampleRecord],
        finder: Finder,
        held: Sequence[SnapshotTrace],
        snapshots: Sequence[SnapshotRecord],
    ) -> ErasureRecord:
        learned_from = with_replaced((one.snapshot for one in held), snapshots)
        versions = seen_by(self._registry.models(), learned_from) if held else []
        tests = self._self_tests(finder) if finder.has_any else []
        return ErasureRecord(
            samples=len(found),
            labels=self._labels(draft.subject, found),
            devices=tuple(sorted({item.device for item in found})),
            models=tuple(sorted({item.model for item in found})),
            lake_rows=0,
            blobs=0,
            snapshots=tuple(held),
            versions=tuple(versions),
            self_tests=tuple(tests),
            remains=_remains(draft, held, versions, tests),
        )

    def _self_tests(self, finder: Finder) -> list[str]:
        return [
            f"{model.name}@{version.version} for {variant.target}"
            for model in self._registry.models()
            for version in model.versions
            for variant in self._registry.variants(model.name, version.version)
            if finder.in_self_test(variant.golden_sha256)
        ]

    def _labels(self, subject: str, found: Sequence[SampleRecord]) -> int:
        of = table.label.c
        ids = [item.id for item in found]
        waiting = sa.select(sa.func.count()).select_from(table.waiting_label).where(_waits(subject))
        with self._db.read() as connection:
            count = connection.scalar(waiting) or 0
            for start in range(0, len(ids), AT_ONCE):
                query = sa.select(sa.func.count()).where(of.sample.in_(ids[start : start + AT_ONCE]))
                count += connection.scalar(query) or 0
        return count

    def _refuse_late(self, subject: str) -> None:
        key, now = subject_key(subject), self._clock()
        with self._db.write() as connection:
            connection.execute(sa.delete(table.erased_subject).where(table.erased_subject.c.key == key))
            connection.execute(sa.insert(table.erased_subject).values(key=key, erased_at=now))
            connection.execute(sa.delete(table.waiting_label).where(_waits(subject)))

    def _rewrite(
        self, principal: Principal, held: Sequence[tuple[SnapshotRecord, SnapshotTrace]], finder: Finder
    ) -> list[SnapshotTrace]:
        done = []
        for snapshot, told in held:
            files = tuple(self._without(file, finder) for file in snapshot.files)
            with self._db.write() as connection:
                successor = self._data.replace(connection, principal, snapshot, files)
                kept = {file.sha256 for file in files}
                self._removal.doom(connection, [file.sha256 for file in snapshot.files if file.sha256 not in kept])
            done.append(msgspec.structs.replace(told, replaced_by=successor.id))
        return done

    def _without(self, file: FileRef, finder: Finder) -> FileRef:
        hold = finder.in_file(file)
        if not hold.size:
            return file
        held = npz.read(self._blobs.path(file.sha256), file.path)
        body = npz.write({name: array[~hold.mask] for name, array in held.items()})
        return FileRef(path=file.path, sha256=self._blobs.put_bytes(body), size_bytes=len(body))

    def _note(self, principal: Principal, draft: ErasureDraft, record: ErasureRecord) -> None:
        """That somebody's data was erased, and how much; not whose."""
        facts = {"samples": record.samples, "labels": record.labels, "lake_rows": record.lake_rows}
        facts |= {"blobs": record.blobs, "versions": len(record.versions)}
        snapshots = [one.snapshot for one in record.snapshots]
        with self._db.write() as connection:
            rewritten = bool(draft.rewrite)
            self._audit.record(
                connection, principal.name, "data.erase", "a person", **facts, snapshots=snapshots, rewritten=rewritten
            )


def _waits(subject: str) -> sa.ColumnElement[bool]:
    return _names(table.waiting_label.c.reference, subject)


def _names(reference: sa.Column[str], subject: str) -> sa.ColumnElement[bool]:
    """Whether a reference is a subject's name, or begins with it and a '/'. (To SQLite's LIKE, 'a' is 'A'.)"""
    return (reference == subject) | (sa.func.substr(reference, 1, len(subject) + 1) == f"{subject}/")


def _remains(
    draft: ErasureDraft, held: Sequence[SnapshotTrace], versions: Sequence[SeenBy], tests: Sequence[str]
) -> tuple[str, ...]:
    told = [WEIGHTS] if versions else []
    told += [SELF_TESTS] if tests else []
    told += [STEPS] if held else []
    told += [KEPT] if held and draft.rewrite is False else []
    return (*told, DEVICES, BACKUPS)
