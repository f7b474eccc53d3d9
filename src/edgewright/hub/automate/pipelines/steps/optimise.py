"""Optimise: a study for each target, each a run of its own."""

from __future__ import annotations

from typing import Any

from edgewright.contract.api import Outcome, RunState, StepState, StudyDraft
from edgewright.contract.errors import Refused
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import ChallengerNotBetter, Result
from edgewright.hub.automate.pipelines.params import OptimiseParams, read
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.jobs import Jobs
from edgewright.hub.optimize.service import Optimize, Work
from edgewright.hub.registry import Registry


class Optimise:
    """Starts the studies, waits for them, and has the rules on latency and size asked."""

    def __init__(
        self, db: Database, jobs: Jobs, registry: Registry, data: Data, optimize: Optimize, judging: Judging
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._registry = registry
        self._data = data
        self._optimize = optimize
        self._judging = judging

    def inputs(self, job: Job) -> Inputs | None:
        """The version and the targets; each study's own steps are never taken twice in any case."""
        version = self._registry.version(job.model, job.found.version)
        subject = f"{version.version} {version.source_sha256} {' '.join(self._targets(job))}"
        return Inputs(data=self._data.snapshot(version.lineage.snapshot).files, subject=subject)

    def holds(self, job: Job, result: Result) -> bool:
        """While the version has these variants."""
        return bool(result.facts["variants"] == self._variants(job))

    def act(self, job: Job) -> Result:
        """Run the studies; raises Refused where one fails, ChallengerNotBetter where variants cost too much."""
        targets = self._targets(job)
        run_ids: list[str] = job.once("start", self._start, job, list(targets))
        job.tell(StepState.RUNNING, ", ".join(targets))
        for run_id in run_ids:
            while not job.once("look", self._has_ended, run_id):
                job.context.wait(300.0)
            run = self._jobs.get(run_id)
            if run.state is not RunState.DONE:
                raise Refused(f"{run.kind} of {run.subject} {run.state}: {run.error}", field=f"run {run.id}")
        variants = job.once("variants", self._variants, job)
        said: dict[str, Any] = job.once("costs", self._settle, job)
        if said.get("outcome") == Outcome.NO:
            raise ChallengerNotBetter(f"{job.model}@{job.found.version} costs too much: {said['why']}")
        note = f"variants for {', '.join(sorted(variants))}" if variants else "no targets"
        return Result(facts={"variants": variants, **said}, note=note)

    def _targets(self, job: Job) -> tuple[str, ...]:
        return read(job.step, OptimiseParams).targets or job.asked.pipeline.targets

    def _start(self, job: Job, targets: list[str]) -> list[str]:
        draft = StudyDraft(targets=(), budget_s=read(job.step, OptimiseParams).budget_s)
        with self._db.write() as connection:
            return [
                self._optimize.queue(
                    connection,
                    job.asked.principal,
                    Work(model=job.model, version=job.found.version, target=target, draft=draft),
                    id=f"{job.run}-{target}",
                    why=f"part of {job.run}",
                )
                for target in targets
            ]

    def _has_ended(self, run_id: str) -> bool:
        return self._jobs.state(run_id).is_ended

    def _variants(self, job: Job) -> dict[str, str]:
        wanted = self._targets(job)
        known = self._registry.variants(job.model, job.found.version)
        return {variant.target: variant.sha256 for variant in known if variant.target in wanted}

    def _settle(self, job: Job) -> dict[str, Any]:
        """What the rules say now that the costs are known; nothing where nothing was evaluated."""
        if "outcome" not in job.found.facts:
            return {}
        champion = 0 if job.found.champion == job.found.version else job.found.champion
        verdict = self._judging.settle_costs(job.model, job.found.version, champion).verdict
        return {"outcome": verdict.outcome.value, "why": verdict.reason}
