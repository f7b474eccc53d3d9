"""Has versions answer the hold-outs of a snapshot, each in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgewright.contract.api import EvaluationRules, FileRef, SnapshotRecord, VersionRecord
from edgewright.hub.automate.judging.comparing import Holdout
from edgewright.hub.automate.judging.evaluator import EvaluatorAnswer, EvaluatorQuestion
from edgewright.hub.automate.judging.groups import group_columns
from edgewright.hub.automate.judging.intervals import Design
from edgewright.hub.automate.judging.metrics import Answers, Pair
from edgewright.hub.children import ask
from edgewright.hub.data import HOLDOUT, HOLDOUT_NEW, LABEL, Data, npz
from edgewright.hub.registry import Blobs, tables_of

HOLDOUTS = (HOLDOUT, HOLDOUT_NEW)
WEIGHT, DEVICE = "weight", "device"
TIMEOUT_S = 300.0


class Answering:
    """Knows where models and rows lie."""

    def __init__(self, data: Data, blobs: Blobs) -> None:
        self._data = data
        self._blobs = blobs

    def holdouts(
        self,
        challenger: VersionRecord,
        champion: VersionRecord | None,
        snapshot: SnapshotRecord,
        rules: EvaluationRules,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> tuple[list[Holdout], dict[str, np.ndarray]]:
        """Every hold-out of the snapshot with both versions' answers, and the labels of each by its name.

        Raises InvalidInput where a version cannot be judged by them, StepFailed, and Cancelled once asked to.
        """
        found, truths = [], {}
        for file in (file for file in snapshot.files if file.path in HOLDOUTS):
            arrays = npz.read(self._blobs.path(file.sha256), file.path)
            new = self._answers(challenger, file, is_cancelled)
            old = None if champion is None else self._answers(champion, file, is_cancelled)
            truth = arrays[LABEL]
            design = Design.of(len(truth), arrays.get(WEIGHT), arrays.get(DEVICE))
            regression = None if new.errors is None else truth.reshape(len(truth), -1).astype(np.float64)
            one = Holdout(
                name=f"{snapshot.id}/{file.path}",
                sha256=file.sha256,
                is_fresh=file.path == HOLDOUT_NEW,
                pair=Pair(new, old, design, regression),
                groups=group_columns(arrays, challenger.contract, rules),
            )
            found.append(one)
            truths[one.name] = truth
        return found, truths

    def _answers(self, version: VersionRecord, file: FileRef, is_cancelled: Callable[[], bool] | None) -> Answers:
        tables = self._blobs.paths(tables_of(version.contract, version.files))
        with tempfile.TemporaryDirectory() as folder:
            answers = Path(folder) / "answers.npz"
            asked = EvaluatorQuestion(
                model=str(self._blobs.path(version.source_sha256)),
                holdout=str(self._blobs.path(file.sha256)),
                contract=version.contract,
                tables=tables,
                answers=str(answers),
            )
            ask(
                "edgewright.hub.automate.judging.evaluator",
                asked,
                EvaluatorAnswer,
                name=f"evaluating {version.model}@{version.version}",
                folder=Path(folder),
                timeout_s=TIMEOUT_S,
                is_cancelled=is_cancelled,
            )
            return Answers(**npz.read(answers, "the answers"))
