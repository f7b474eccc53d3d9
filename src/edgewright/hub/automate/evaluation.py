"""Challenger against champion on pinned hold-outs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract.api import EvaluationRecord, VersionRecord
from edgewright.hub.automate import table
from edgewright.hub.automate.evaluator import EvaluatorAnswer, EvaluatorQuestion
from edgewright.hub.automate.model import expected_agreement, paired_interval
from edgewright.hub.children import ask
from edgewright.hub.data import HOLDOUT, HOLDOUT_NEW, LABEL, Data
from edgewright.hub.db import Database
from edgewright.hub.registry import Blobs, Registry, tables_of

HOLDOUTS = (HOLDOUT, HOLDOUT_NEW)
TIMEOUT_S = 300.0


class Evaluations:
    """Compares two versions of a model and keeps what came out."""

    def __init__(self, db: Database, clock: Callable[[], float], registry: Registry, data: Data, blobs: Blobs) -> None:
        self._db = db
        self._clock = clock
        self._registry = registry
        self._data = data
        self._blobs = blobs

    def compare(self, model: str, challenger: int, champion: int, snapshot_id: str) -> list[EvaluationRecord]:
        """Evaluate both on every hold-out of the snapshot, keep the records, and return them."""
        snapshot = self._data.snapshot(snapshot_id)
        paths = [file.path for file in snapshot.files if file.path in HOLDOUTS]
        records = [self._compare_on(model, challenger, champion, snapshot.id, path) for path in paths]
        with self._db.write() as connection:
            for record in records:
                key = {"model": model, "challenger": challenger, "holdout": record.holdout}
                where = [table.evaluation.c[name] == value for name, value in key.items()]
                connection.execute(sa.delete(table.evaluation).where(*where))
                row = {**key, "champion": champion, "record": msgspec.to_builtins(record)}
                connection.execute(sa.insert(table.evaluation).values(**row))
        return records

    def of(self, model: str, challenger: int = 0) -> list[EvaluationRecord]:
        """The evaluations of a model, or of one challenger."""
        query = sa.select(table.evaluation.c.record).where(table.evaluation.c.model == model)
        if challenger:
            query = query.where(table.evaluation.c.challenger == challenger)
        with self._db.read() as connection:
            return [msgspec.convert(row.record, EvaluationRecord) for row in connection.execute(query)]

    def expected_agreement(self, model: str, version: int) -> float | None:
        """See automate.model.expected_agreement: the rollout room asks this before it sets a shadow's bar."""
        return expected_agreement(self.of(model, version))

    def _compare_on(self, model: str, challenger: int, champion: int, snapshot: str, path: str) -> EvaluationRecord:
        versions = [self._registry.version(model, number) for number in (champion, challenger)]
        truth = self._data.arrays(snapshot, path)[LABEL]
        old, new = (self._classes(version, self._data.file(snapshot, path)) for version in versions)
        low, high = paired_interval(old == truth, new == truth)
        return EvaluationRecord(
            model=model,
            challenger=challenger,
            champion=champion,
            holdout=f"{snapshot}/{path}",
            rows=len(truth),
            accuracy_champion=float((old == truth).mean()),
            accuracy_challenger=float((new == truth).mean()),
            agreement=float((old == new).mean()),
            low=low,
            high=high,
            is_better=low > 0,
            created_at=self._clock(),
        )

    def _classes(self, version: VersionRecord, holdout: Path) -> np.ndarray:
        model = self._blobs.path(version.source_sha256)
        tables = self._blobs.paths(tables_of(version.contract, version.files))
        asked = EvaluatorQuestion(model=str(model), holdout=str(holdout), contract=version.contract, tables=tables)
        with tempfile.TemporaryDirectory() as folder:
            answer = ask(
                "edgewright.hub.automate.evaluator",
                asked,
                EvaluatorAnswer,
                name=f"evaluating {version.model}@{version.version}",
                folder=Path(folder),
                timeout_s=TIMEOUT_S,
            )
        return np.array(answer.classes, dtype=np.int64)
