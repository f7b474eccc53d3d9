"""The registry: models, their immutable versions, and the variants made of them."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import ModelRecord, VariantRecord, VersionDraft, VersionRecord
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import MAX_LABELS_BYTES, File, Role, read_labels
from edgewright.contract.refinement import refine
from edgewright.contract.tensors import Contract
from edgewright.hub.children import ask
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.registry import table
from edgewright.hub.registry.blobs import Blobs
from edgewright.hub.registry.inspect import SourceFacts, confirm_contract, inspect_source
from edgewright.hub.registry.model import UnknownModel, UnknownVersion, check_name, check_version_files, tables_of
from edgewright.hub.registry.reference import ReferenceAnswer, ReferenceQuestion

REFERENCE_TIMEOUT_S = 120.0

Rows = Callable[[str], tuple[Path, Path]]
"""Where a snapshot's training rows and hold-out (npz) lie, by snapshot id."""


class Registry:
    """Registers and shows models. Published versions never change: there is no way to update one."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        blobs: Blobs,
        rows: Rows,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._blobs = blobs
        self._rows = rows

    def register(self, principal: Principal, name: str, draft: VersionDraft, *, dry_run: bool = False) -> VersionRecord:
        """Check the source in a sandbox, fix its contract and reference profile, and give it the next number.

        Raises InvalidInput for a source, a contract or rows that will not do, UnknownBlob, UnknownVersion (of the
        parent).
        """
        check_name(name, "model")
        check_version_files(draft.files)
        for file in draft.files:
            self._check_file(file)
        source = self._blobs.path(draft.source_sha256)
        facts = inspect_source(source)
        contract = _contract(facts, draft)
        tables = self._blobs.paths(tables_of(contract, draft.files))
        if draft.lineage.parent:
            self.version(name, draft.lineage.parent)
        with self._db.alone(f"register {name}"):
            number = self._next_number(name)
            reference = self._reference(source, contract, tables, name, number, draft.snapshot)
            record = VersionRecord(
                model=name,
                version=number,
                source_sha256=draft.source_sha256,
                source_bytes=source.stat().st_size,
                contract=contract,
                lineage=msgspec.structs.replace(draft.lineage, snapshot=draft.snapshot or draft.lineage.snapshot),
                metrics=draft.metrics,
                task=draft.task,
                note=draft.note,
                created_at=self._clock(),
                created_by=principal.name,
                reference_sha256=self._kept(reference.schema, dry_run=dry_run),
                hold_out_sha256=self._kept(reference.hold_out, dry_run=dry_run),
                files=draft.files,
                format=facts.format,
            )
            if not dry_run:
                self._save(principal, record)
        return record

    def models(self) -> list[ModelRecord]:
        """Every model with its versions, by name."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.model).order_by(table.model.c.name)).mappings().all()
            versions = _versions(connection)
        return [_model_record(row, versions[row["name"]]) for row in rows]

    def model(self, name: str) -> ModelRecord:
        """One model with its versions; raises UnknownModel."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table.model).where(table.model.c.name == name)).mappings().first()
            versions = _versions(connection, name)
        if row is None:
            raise UnknownModel(f"there is no model '{name}'", field="model")
        return _model_record(row, versions[name])

    def version(self, name: str, number: int) -> VersionRecord:
        """One version; raises UnknownVersion."""
        query = sa.select(table.version.c.record).where(
            table.version.c.model == name, table.version.c.version == number
        )
        with self._db.read() as connection:
            record = connection.scalar(query)
        if record is None:
            raise UnknownVersion(f"model '{name}' has no version {number}", field="version")
        return msgspec.convert(record, VersionRecord)

    def variants(self, name: str, number: int) -> list[VariantRecord]:
        """The variants of a version, by target."""
        query = (
            sa.select(table.variant.c.record)
            .where(table.variant.c.model == name, table.variant.c.version == number)
            .order_by(table.variant.c.target)
        )
        with self._db.read() as connection:
            return [msgspec.convert(row.record, VariantRecord) for row in connection.execute(query)]

    def add_variant(self, connection: sa.Connection, record: VariantRecord) -> None:
        """Keep a variant; the same target again replaces the earlier measurement."""
        key = {"model": record.model, "version": record.version, "target": record.target}
        where = [table.variant.c[column] == value for column, value in key.items()]
        connection.execute(sa.delete(table.variant).where(*where))
        row = {**key, "sha256": record.sha256, "record": msgspec.to_builtins(record)}
        connection.execute(sa.insert(table.variant).values(**row))
        subject = f"{record.model}/{record.version}/{record.target}"
        self._audit.record(connection, "hub", "variant.add", subject, sha256=record.sha256, recipe=list(record.recipe))
        self._events.record(connection, "registry.variant_added", subject)

    def _check_file(self, file: File) -> None:
        size_bytes = self._blobs.size(file.sha256)
        if size_bytes != file.size_bytes:
            message = f"{file.name} has {size_bytes} bytes, not {file.size_bytes}"
            raise InvalidInput(message, field="files.size_bytes")
        if file.role is Role.LABELS:
            _read_labels(self._blobs.path(file.sha256))

    def _reference(
        self, source: Path, contract: Contract, tables: dict[str, str], name: str, number: int, snapshot: str
    ) -> ReferenceAnswer:
        if not snapshot:
            return ReferenceAnswer(schema=b"", hold_out=b"")
        train, holdout = map(str, self._rows(snapshot))
        asked = ReferenceQuestion(
            model=str(source),
            train=train,
            holdout=holdout,
            contract=contract,
            tables=tables,
            name=name,
            version=number,
        )
        with tempfile.TemporaryDirectory() as folder:
            return ask(
                "edgewright.hub.registry.reference",
                asked,
                ReferenceAnswer,
                name="running the model on the snapshot's rows",
                folder=Path(folder),
                timeout_s=REFERENCE_TIMEOUT_S,
            )

    def _kept(self, data: bytes, *, dry_run: bool) -> str:
        """The digest under which it is kept from now on; "" where there is nothing, or nothing is to be kept."""
        return self._blobs.put_bytes(data) if data and not dry_run else ""

    def _next_number(self, name: str) -> int:
        with self._db.read() as connection:
            query = sa.select(sa.func.max(table.version.c.version)).where(table.version.c.model == name)
            return int(connection.scalar(query) or 0) + 1

    def _save(self, principal: Principal, record: VersionRecord) -> None:
        subject = f"{record.model}@{record.version}"
        with self._db.write() as connection:
            if connection.scalar(sa.select(table.model.c.name).where(table.model.c.name == record.model)) is None:
                row = {"name": record.model, "owner": principal.name, "task": record.task}
                connection.execute(sa.insert(table.model).values(**row, created_at=record.created_at))
            connection.execute(
                sa.insert(table.version).values(
                    model=record.model,
                    version=record.version,
                    source_sha256=record.source_sha256,
                    record=msgspec.to_builtins(record),
                    created_at=record.created_at,
                )
            )
            self._audit.record(
                connection, principal.name, "version.register", subject, source_sha256=record.source_sha256
            )
            self._events.record(connection, "registry.version_registered", subject)


def _contract(facts: SourceFacts, draft: VersionDraft) -> Contract:
    contract = draft.contract or refine(facts.contract, draft.refinement)
    confirm_contract(contract, facts.contract)
    return contract


def _read_labels(path: Path) -> None:
    """Raise InvalidInput for what no device could read."""
    with path.open("rb") as file:
        data = file.read(MAX_LABELS_BYTES + 1)
    try:
        read_labels(data)
    except HostileInput as error:
        raise InvalidInput(error.message, field="files") from error


def _versions(connection: sa.Connection, name: str = "") -> dict[str, list[VersionRecord]]:
    """The versions of one model, or of all, by model, oldest first."""
    query = sa.select(table.version.c.model, table.version.c.record).order_by(table.version.c.version)
    if name:
        query = query.where(table.version.c.model == name)
    found: dict[str, list[VersionRecord]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.model].append(msgspec.convert(row.record, VersionRecord))
    return found


def _model_record(row: sa.RowMapping, versions: Sequence[VersionRecord]) -> ModelRecord:
    return ModelRecord(
        name=row["name"],
        owner=row["owner"],
        task=row["task"],
        latest=versions[-1].version if versions else 0,
        created_at=row["created_at"],
        versions=tuple(versions),
    )
