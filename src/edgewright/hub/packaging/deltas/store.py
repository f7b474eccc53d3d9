"""Deltas between files that devices hold and files that they shall get: made once, in a sandbox, kept if they pay."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import structlog

from edgewright.contract.manifest import File, Manifest
from edgewright.contract.order import Fetch
from edgewright.hub.db import Database
from edgewright.hub.packaging import table
from edgewright.hub.registry import Blobs
from edgewright.hub.sandbox import PYTHON, run

log = structlog.get_logger()

MAX_SHARE = 0.9
MAX_BASES = 8
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class DeltaRow:
    """A delta from one blob to another; `sha256` is empty where a full download is as good."""

    base_sha256: str
    result_sha256: str
    sha256: str
    size_bytes: int


class Deltas:
    """A table of deltas by (base, result). A pair is tried once; what saves less than a tenth is not kept."""

    def __init__(self, db: Database, blobs: Blobs, clock: Callable[[], float]) -> None:
        self._db = db
        self._blobs = blobs
        self._clock = clock

    def best(self, connection: sa.Connection, held: Iterable[str], result_sha256: str) -> DeltaRow | None:
        """The smallest delta to the result from any blob that is held, or None."""
        query = (
            sa.select(table.delta)
            .where(table.delta.c.result_sha256 == result_sha256)
            .where(table.delta.c.base_sha256.in_(sorted(held)), table.delta.c.sha256 != "")
            .order_by(table.delta.c.size_bytes)
            .limit(1)
        )
        row = connection.execute(query).first()
        return _row(row) if row else None

    def plan(self, connection: sa.Connection, manifest: Manifest, held: Collection[str]) -> tuple[Fetch, ...]:
        """The smallest delta to each file of `manifest` from a file of the packages `held` (digests of manifests)."""
        files = self._files(connection, held)
        lacking = [file for file in manifest.files if file.sha256 not in files]
        known = [(file, self.best(connection, files, file.sha256)) for file in lacking]
        return tuple(
            Fetch(
                base_sha256=row.base_sha256,
                result_sha256=file.sha256,
                result_bytes=file.size_bytes,
                sha256=row.sha256,
                size_bytes=row.size_bytes,
            )
            for file, row in known
            if row is not None
        )

    def ensure(self, bases: Collection[str], manifest: Manifest) -> list[DeltaRow]:
        """Make what is missing between the packages `bases` and this one; return all pairs that are now known.

        Only files of one model and one role are paired: a golden file is no base for a model. Safe to repeat.
        """
        with self._db.read() as connection:
            held = self._files(connection, bases)
        pairs = [(base, file) for file in manifest.files for base in self._like(held, manifest.model, file)]
        return [self._known(base, file.sha256) or self._make(base, file) for base, file in pairs]

    def _files(self, connection: sa.Connection, packages: Collection[str]) -> set[str]:
        of = table.package_file.c
        return set(connection.scalars(sa.select(of.sha256).where(of.manifest_sha256.in_(sorted(packages)))))

    def _like(self, bases: Iterable[str], model: str, file: File) -> list[str]:
        of = table.package_file.c
        query = (
            sa.select(of.sha256)
            .distinct()
            .where(of.sha256.in_(sorted(set(bases) - {file.sha256})), of.model == model, of.role == file.role)
            .order_by(of.sha256)
            .limit(MAX_BASES)
        )
        with self._db.read() as connection:
            return [row.sha256 for row in connection.execute(query)]

    def _known(self, base: str, result: str) -> DeltaRow | None:
        query = sa.select(table.delta).where(table.delta.c.base_sha256 == base, table.delta.c.result_sha256 == result)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return _row(row) if row else None

    def _make(self, base: str, file: File) -> DeltaRow:
        sha256, size_bytes = "", 0
        with tempfile.TemporaryDirectory(prefix="edgewright-delta-") as folder:
            out = Path(folder, "delta")
            paths = [str(self._blobs.path(name).resolve()) for name in (base, file.sha256)]
            argv = [*PYTHON, "-m", "edgewright.contract.delta", "make", *paths, str(out)]
            finished = run(argv, cwd=Path(folder), timeout_s=TIMEOUT_S)
            if not finished.is_ok:
                log.warning("packaging.delta_failed", base=base, result=file.sha256, why=finished.output[-500:])
            elif out.stat().st_size < MAX_SHARE * file.size_bytes:
                sha256, size_bytes = self._blobs.put_file(out)
        row = DeltaRow(base_sha256=base, result_sha256=file.sha256, sha256=sha256, size_bytes=size_bytes)
        self._keep(row)
        return row

    def _keep(self, row: DeltaRow) -> None:
        with self._db.write() as connection:
            where = (table.delta.c.base_sha256 == row.base_sha256, table.delta.c.result_sha256 == row.result_sha256)
            connection.execute(sa.delete(table.delta).where(*where))
            values = {"base_sha256": row.base_sha256, "result_sha256": row.result_sha256}
            connection.execute(
                sa.insert(table.delta).values(
                    **values, sha256=row.sha256, size_bytes=row.size_bytes, created_at=self._clock()
                )
            )


def _row(row: sa.Row[tuple[object, ...]]) -> DeltaRow:
    facts = row._mapping
    return DeltaRow(
        base_sha256=facts["base_sha256"],
        result_sha256=facts["result_sha256"],
        sha256=facts["sha256"],
        size_bytes=facts["size_bytes"],
    )
