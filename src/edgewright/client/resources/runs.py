"""Runs, and the pipelines they train by."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewright.client.project import Project
from edgewright.client.resources.data import Blobs
from edgewright.client.resources.registry import as_file
from edgewright.client.resources.samples import DataPolicies
from edgewright.client.transport import Transport, describe_file
from edgewright.client.watching import Pace, changes
from edgewright.contract.api import FileRef, Overrides, PipelineDraft, RunRecord, StepRecord
from edgewright.contract.manifest import Role

OnRuns = Callable[[tuple[RunRecord, ...]], None]


class Runs:
    """Executions of durable work."""

    def __init__(self, hub: Transport, pace: Pace) -> None:
        self._hub = hub
        self._pace = pace

    def list(self, kind: str = "", subject: str = "") -> tuple[RunRecord, ...]:
        """Runs of a kind, on a subject; "" stands for any."""
        return self._hub.get("runs", into=tuple[RunRecord, ...], kind=kind, subject=subject)

    def get(self, id: str) -> RunRecord:
        """One run, with its log."""
        return self._hub.get("runs", id, into=RunRecord)

    def steps(self, id: str) -> tuple[StepRecord, ...]:
        """The steps of a pipeline's run, in order, with what came of each; none of any other run."""
        return self._hub.get("runs", id, "steps", into=tuple[StepRecord, ...])

    def cancel(self, id: str, *, dry_run: bool = False) -> RunRecord:
        """End a run at its next step. A dry run returns it as it is."""
        if dry_run:
            return self.get(id)
        return self._hub.post("runs", id, "cancel", body={}, into=RunRecord)

    def wait(
        self, id: str, on_progress: Callable[[RunRecord], None] | None = None, *, timeout_s: float | None = None
    ) -> RunRecord:
        """Wait until a run has ended, however; see its `state`. `on_progress` hears of each change."""
        tell: OnRuns | None = None if on_progress is None else lambda runs: on_progress(runs[0])
        return self.wait_all((id,), tell, timeout_s=timeout_s)[0]

    def wait_all(
        self, ids: Sequence[str], on_progress: OnRuns | None = None, *, timeout_s: float | None = None
    ) -> tuple[RunRecord, ...]:
        """Wait until each of these runs has ended."""
        ended: dict[str, RunRecord] = {}

        def fetch() -> tuple[RunRecord, ...]:
            now = tuple(ended.get(id) or self.get(id) for id in ids)
            ended.update({run.id: run for run in now if run.state.is_ended})
            return now

        last: tuple[RunRecord, ...] = ()
        for last in changes(fetch, lambda _: len(ended) == len(set(ids)), pace=self._pace, timeout_s=timeout_s):
            if on_progress is not None:
                on_progress(last)
        return last


class Pipelines:
    """How models are trained."""

    def __init__(self, hub: Transport, blobs: Blobs) -> None:
        self._hub = hub
        self._blobs = blobs

    def put(self, project: Project, *, dry_run: bool = False) -> PipelineDraft:
        """Upload a project's code and tables, keep its pipeline and its data policy; a dry run keeps nothing."""
        files = [(path, describe_file(path, name)) for name, path in project.code_files()]
        tables = [(path, describe_file(path, path.name)) for path in project.table_files()]
        self._blobs.put_files([*files, *tables])
        refs = tuple(ref for _, ref in files)
        assets = tuple(as_file(ref, Role.ASSET) for _, ref in tables)
        draft = project.pipeline(refs, code_revision(project.folder, refs), assets)
        kept = self._hub.post("pipelines", body=draft, into=PipelineDraft, dry_run=dry_run)
        if project.data.policy is not None:
            DataPolicies(self._hub).put(project.model, project.data.policy, dry_run=dry_run)
        return kept

    def get(self, model: str) -> PipelineDraft:
        """The stored pipeline of a model."""
        return self._hub.get("pipelines", model, into=PipelineDraft)

    def run(self, model: str, overrides: Overrides = Overrides(), *, dry_run: bool = False) -> RunRecord:
        """Start a run of a stored pipeline; a dry run's `result` names its steps, and starts nothing."""
        return self._hub.post("pipelines", model, "run", body=overrides, into=RunRecord, dry_run=dry_run)


def code_revision(folder: Path, files: tuple[FileRef, ...]) -> str:
    """Git's revision of `folder` ('-dirty' where it has changes), or a digest of the code where git keeps none."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        reply = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        reply = None
    if reply is not None and reply.returncode == 0:
        return reply.stdout.strip()
    lines = "".join(f"{ref.sha256} {ref.path}\n" for ref in files)
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
