"""A hub in a process of its own, reached as people reach it: models go in, studies come out."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agents.footprint import served

from edgewright.client import Client
from edgewright.contract.api import StudyDraft, StudyRecord, TrialRecord, TrialState
from optimizations.zoo import Exhibit

PATIENCE_S = 1800.0


class Desk:
    """One logged-in client, and a folder for what it fetches."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def register(self, exhibit: Exhibit, name: str = "") -> tuple[str, int]:
        """The exhibit as the next version of `name`, with its rows as a snapshot."""
        name = name or exhibit.name
        rows = self._folder / f"rows-{exhibit.name}"
        if not rows.exists():
            rows.mkdir()
            shutil.copy(exhibit.train, rows / "train.npz")
            shutil.copy(exhibit.holdout, rows / "holdout.npz")
        snapshot = self._client.snapshots.create(name, rows)
        record = self._client.models.register(name, exhibit.model, refinement=exhibit.known, snapshot=snapshot.id)
        return record.model, record.version

    def study(self, version: tuple[str, int], draft: StudyDraft) -> tuple[StudyRecord, float]:
        """Search, and say how many seconds it took."""
        began = time.monotonic()
        [run] = self._client.optimize(*version, draft)
        print(f"studying {run.subject}", file=sys.stderr, flush=True)
        [ended] = self._client.runs.wait_all([run.id], lambda *_: None)
        took_s = time.monotonic() - began
        if ended.error:
            print(f"  {ended.error}", file=sys.stderr, flush=True)
        return self._client.study(*version, draft.targets[0]), took_s

    def fetch(self, trial: TrialRecord, suffix: str = ".onnx") -> Path:
        """A trial's model file."""
        path = self._folder / f"{trial.sha256}{suffix}"
        path.write_bytes(self._client.blobs.get(trial.sha256))
        return path


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    """A fresh hub in a folder that goes away."""
    password = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as name, served(Path(name) / "hub", password) as url, Client(url) as client:
        client.login("admin", password)
        yield Desk(client, Path(name))


def kept(study: StudyRecord, recipe: str = "") -> TrialRecord:
    """The trial of that recipe, which must have been kept; without one, what the study recommends."""
    for trial in study.trials:
        if trial.id == study.recommended if not recipe else recipe == " → ".join(trial.recipe):
            if trial.state is not TrialState.KEPT:
                raise SystemExit(f"{' → '.join(trial.recipe)}: {trial.state}: {trial.reason}")
            return trial
    tried = "\n".join(f"  {' → '.join(each.recipe)}: {each.state}, {each.reason}" for each in study.trials)
    raise SystemExit(f"no trial {recipe or study.recommended!r} among\n{tried}\n{study.reasons}")
