"""Clean: training rows that will not do leave the dataset, with a report of what went and why."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.contract.api import FileRef, SnapshotDraft, StepTaken
from edgewright.contract.errors import Refused
from edgewright.contract.tensors import Contract
from edgewright.hub.automate.pipelines.cleaner import CleanerQuestion
from edgewright.hub.automate.pipelines.cleaning import Cleaned
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs, digest
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.automate.pipelines.params import CleanParams, read
from edgewright.hub.automate.pipelines.steps.command import Command
from edgewright.hub.children import ask
from edgewright.hub.data import HOLDOUT, HOLDOUT_NEW, TRAIN, Data, npz
from edgewright.hub.govern import People
from edgewright.hub.registry import Blobs, Registry

TIMEOUT_S = 600.0


class DataNotClean(Refused):
    code = "data_not_clean"
    hint = "Look at the data first; `max_dropped` and `min_per_class` of the step say what may be."


class Clean:
    """The built-in rules, or a command of the user's whose outputs are the new snapshot's files."""

    def __init__(self, people: People, data: Data, blobs: Blobs, registry: Registry, command: Command) -> None:
        self._people = people
        self._data = data
        self._blobs = blobs
        self._registry = registry
        self._command = command

    def inputs(self, job: Job) -> Inputs | None:
        """The snapshot's files, the contract, and the tools."""
        contract = self._contract(job)
        subject = msgspec.json.encode(contract, order="deterministic").decode() if contract else ""
        return msgspec.structs.replace(self._command.inputs(job), subject=subject)

    def holds(self, job: Job, result: Result) -> bool:
        """While its snapshot is there."""
        return bool(self._data.snapshot(str(result.facts["snapshot"])))

    def act(self, job: Job) -> Result:
        """Clean, and make the snapshot; a dataset in which nothing was wrong stays as it is."""
        if job.step.command or job.step.function:
            made = self._command.act(job)
            snapshot = job.once("snapshot", self._replaced, job, list(made.files), f"cleaned by {job.run}")
            facts, note, report = {"snapshot": snapshot}, f"{snapshot} by {job.step.command or job.step.function}", ()
            return self._result(job, facts, note, report, made.where)
        answer: dict[str, Any] = job.once("clean", self._clean, job)
        told = msgspec.convert(answer["report"], Cleaned)
        self._check(job, told)
        facts = {"snapshot": answer["snapshot"], "clean": answer["report"]}
        job.context.report(job.step.name, job.fraction, log=_lines(told))
        return self._result(job, facts, _summary(told), (), "hub")

    def _result(self, job: Job, facts: dict[str, Any], note: str, files: tuple[FileRef, ...], where: str) -> Result:
        inputs = self.inputs(job)
        assert inputs is not None  # noqa: S101 (see above)
        key = digest(job.asked.pipeline, job.step, inputs)
        taken = StepTaken(name=job.step.name, does=job.step.does, digest=key, made=str(facts["snapshot"]))
        return Result(facts=facts, files=files, note=note, taken=taken, where=where)

    def _clean(self, job: Job) -> dict[str, Any]:
        snapshot = job.found.snapshot or job.asked.pipeline.dataset
        held = [path for path in (HOLDOUT, HOLDOUT_NEW) if self._data.has(snapshot, path)]
        with tempfile.TemporaryDirectory() as folder:
            stays = Path(folder) / "stays.npy"
            asked = CleanerQuestion(
                train=str(self._data.file(snapshot, TRAIN).resolve()),
                held_out=tuple(str(self._data.file(snapshot, path).resolve()) for path in held),
                stays=str(stays),
                contract=self._contract(job),
                params=read(job.step, CleanParams),
            )
            report = ask(
                "edgewright.hub.automate.pipelines.cleaner",
                asked,
                Cleaned,
                name=f"cleaning {snapshot}",
                folder=Path(folder),
                timeout_s=TIMEOUT_S,
                is_cancelled=job.context.is_cancelled,
            )
            made = snapshot
            if report.rows_after < report.rows_before and self._is_fine(job, report):
                rows = self._data.arrays(snapshot, TRAIN)
                which = np.load(stays, allow_pickle=False)
                whole = npz.write({name: array[which] for name, array in rows.items()})
                file = FileRef(path=TRAIN, sha256=self._blobs.put_bytes(whole), size_bytes=len(whole))
                made = self._replaced(job, [file], _summary(report))
        return {"snapshot": self._data.snapshot(made).id, "report": msgspec.to_builtins(report)}

    def _replaced(self, job: Job, files: list[FileRef], note: str) -> str:
        """A snapshot in which these files take the place of those of the same path; its id."""
        old = self._data.snapshot(job.found.snapshot or job.asked.pipeline.dataset)
        own = [msgspec.structs.replace(file, path=file.path) for file in files]
        whole = {**{file.path: file for file in old.files}, **{file.path: file for file in own}}
        draft = SnapshotDraft(dataset=old.dataset, files=tuple(whole.values()), parent=old.id, note=note)
        return self._data.create(self._people.named(job.asked.principal), draft).id

    def _contract(self, job: Job) -> Contract | None:
        """The champion's: a first version has none yet."""
        return self._registry.version(job.model, job.found.champion).contract if job.found.champion else None

    def _is_fine(self, job: Job, report: Cleaned) -> bool:
        params = read(job.step, CleanParams)
        return report.share <= params.max_dropped and not _scarce(report, params)

    def _check(self, job: Job, report: Cleaned) -> None:
        params = read(job.step, CleanParams)
        field = f"pipeline.steps.{job.step.name}.params"
        if report.share > params.max_dropped:
            said = f"{report.share:.0%} of the rows will not do, more than {params.max_dropped:.0%}: {_summary(report)}"
            raise DataNotClean(said, field=f"{field}.max_dropped")
        if scarce := _scarce(report, params):
            raise DataNotClean(scarce, field=f"{field}.min_per_class")


def _scarce(report: Cleaned, params: CleanParams) -> str:
    few = [(count, name) for name, count in report.per_class.items() if count < params.min_per_class]
    if not few:
        return ""
    count, name = min(few)
    return f"class {name} has {count} rows left, fewer than {params.min_per_class}"


def _summary(report: Cleaned) -> str:
    if not report.dropped:
        return f"all {report.rows_before} rows will do"
    why = "; ".join(f"{one.rows} × {one.why}" for one in report.dropped[:4])
    return f"{report.rows_before - report.rows_after} of {report.rows_before} rows dropped: {why}"


def _lines(report: Cleaned) -> str:
    lines = [f"{one.rows} rows: {one.why} (such as row {one.examples[0]})" for one in report.dropped]
    return "".join(f"clean | {line}\n" for line in [*lines, f"{report.rows_after} of {report.rows_before} rows stay"])
