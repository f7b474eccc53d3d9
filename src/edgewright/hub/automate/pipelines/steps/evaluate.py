"""Evaluate: the challenger against the champion, by the project's rules."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api import Outcome
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import ChallengerNotBetter, Result
from edgewright.hub.automate.pipelines.params import EvaluateParams, read
from edgewright.hub.data import Data
from edgewright.hub.registry import Registry


class Evaluate:
    """Judges. A challenger that the rules refuse ends the run; one that they are unsure of waits for people."""

    def __init__(self, registry: Registry, data: Data, judging: Judging) -> None:
        self._registry = registry
        self._data = data
        self._judging = judging

    def inputs(self, job: Job) -> Inputs | None:
        """Both models, the hold-outs and the rules."""
        read(job.step, EvaluateParams)
        numbers = [number for number in (job.found.version, job.found.champion) if number]
        sources = [self._registry.version(job.model, number).source_sha256 for number in numbers]
        rules = msgspec.to_builtins(job.asked.pipeline.judging)
        subject = msgspec.json.encode([numbers, sources, rules], order="deterministic").decode()
        return Inputs(data=self._data.snapshot(job.found.snapshot).files, subject=subject)

    def holds(self, job: Job, result: Result) -> bool:
        """While its record is there."""
        return bool(self._judging.get(job.model, job.found.version, self._champion(job)))

    def act(self, job: Job) -> Result:
        """Judge; raises ChallengerNotBetter."""
        said: dict[str, Any] = job.once("judge", self._judge, job)
        if said["outcome"] == Outcome.NO:
            raise ChallengerNotBetter(f"{_against(job)}: {said['why']}")
        return Result(facts=said, note=said["why"])

    def _judge(self, job: Job) -> dict[str, Any]:
        record = self._judging.judge(
            job.model,
            job.found.version,
            self._champion(job),
            job.found.snapshot,
            job.asked.pipeline.judging,
            run=job.run,
            is_cancelled=job.context.is_cancelled,
        )
        return {"outcome": record.verdict.outcome.value, "why": record.verdict.reason, "evaluation": record.digest}

    @staticmethod
    def _champion(job: Job) -> int:
        """0 where the challenger is the champion: nothing was learned that it did not know."""
        return 0 if job.found.champion == job.found.version else job.found.champion


def _against(job: Job) -> str:
    champion = f"replace {job.model}@{job.found.champion}" if job.found.champion else "go out"
    return f"{job.model}@{job.found.version} does not {champion}"
