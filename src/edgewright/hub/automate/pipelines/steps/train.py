"""Train: a version, by a command or a function of the user's, or by a new last layer on the parent's weights."""

from __future__ import annotations

from typing import Any

from edgewright.contract.api import Does, StepState
from edgewright.hub.automate.pipelines.commands.performing import Performing
from edgewright.hub.automate.pipelines.commands.training import Training, Work
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.automate.pipelines.steps.command import ended
from edgewright.hub.registry import Registry

KEPT = ("version", "snapshot", "metrics", "frozen")
"""What of a training's result the steps after it find."""


class Train:
    """Has a run of its own train, and takes the version that it registers."""

    def __init__(self, registry: Registry, training: Training, performing: Performing) -> None:
        self._registry = registry
        self._training = training
        self._performing = performing

    def inputs(self, job: Job) -> Inputs | None:
        """Data, files, the parent's weights, and the tools."""
        return self._training.inputs(self._work(job))

    def holds(self, job: Job, result: Result) -> bool:
        """While its version is there."""
        return bool(self._registry.version(job.model, int(result.facts["version"])))

    def act(self, job: Job) -> Result:
        """Start the run, wait for it, and tell what it made."""
        job.once("start", self._performing.start_training, job.child, self._work(job))
        job.tell(StepState.RUNNING, "", job.child)
        outcome = ended(job, self._performing)
        facts: dict[str, Any] = {
            name: outcome[name] for name in ("version", "snapshot", "metrics", "frozen") if name in outcome
        }
        facts["parent"] = self._parent(job)
        frozen = f", {len(facts['frozen'])} weights as in the parent" if facts.get("frozen") else ""
        note = f"{job.model}@{facts['version']}{frozen}"
        return Result(facts=facts, note=note, where=str(outcome.get("where", "")))

    def _work(self, job: Job) -> Work:
        return Work(
            pipeline=job.asked.pipeline,
            step=job.step,
            snapshot=job.found.snapshot or self._training.newest(job.asked.pipeline.dataset),
            principal=job.asked.principal,
            parent=self._parent(job),
            files=job.found.files,
            taken=job.found.taken,
            run=job.run,
        )

    def _parent(self, job: Job) -> int:
        return job.found.champion if job.step.has_parent or job.step.does is Does.TRANSFER else 0
