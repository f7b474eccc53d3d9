"""Command: whatever a command or a function of the user's does, in a run of its own; its files go to later steps."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api import FileRef, RunState, StepState, StepTaken
from edgewright.contract.errors import Refused
from edgewright.hub.automate.pipelines.commands.performing import Errand, Performing
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs, digest, made_of, tools_at
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.data import Data
from edgewright.hub.registry import Blobs


class Command:
    """Has the command run, and keeps those of its files that the step is said to leave."""

    def __init__(self, data: Data, blobs: Blobs, performing: Performing) -> None:
        self._data = data
        self._blobs = blobs
        self._performing = performing

    def inputs(self, job: Job) -> Inputs:
        """The snapshot's files, those of the steps before it, and the tools where it runs."""
        snapshot = job.found.snapshot or job.asked.pipeline.dataset
        return Inputs(
            data=self._data.snapshot(snapshot).files,
            files=job.found.files,
            tools=tools_at(job.step.where.kind),
        )

    def holds(self, job: Job, result: Result) -> bool:
        """While its files are there."""
        return all(self._blobs.exists(file.sha256) for file in result.files)

    def act(self, job: Job) -> Result:
        """Start the run that does it, wait for it, and take its files."""
        job.once("start", self._performing.start_errand, job.child, self._errand(job))
        job.tell(StepState.RUNNING, "", job.child)
        outcome = ended(job, self._performing)
        files = msgspec.convert(outcome["files"], tuple[FileRef, ...])
        key = digest(job.asked.pipeline, job.step, self.inputs(job))
        taken = StepTaken(name=job.step.name, does=job.step.does, digest=key, made=made_of(files))
        return Result(files=files, where=str(outcome.get("where", "")), taken=taken)

    def _errand(self, job: Job) -> Errand:
        return Errand(
            pipeline=job.asked.pipeline,
            step=job.step,
            snapshot=job.found.snapshot or job.asked.pipeline.dataset,
            files=job.found.files,
            run=job.run,
        )


def ended(job: Job, performing: Performing) -> dict[str, Any]:
    """What the step's own run came to; raises Refused, in that run's words, unless it is done."""
    while not job.once("look", performing.has_ended, job.child):
        job.context.wait(performing.look_again_s)
    run = performing.run(job.child)
    if run.state is not RunState.DONE:
        raise Refused(f"step '{job.step.name}' {run.state}: {run.error}", field=f"run {run.id}")
    return run.result
