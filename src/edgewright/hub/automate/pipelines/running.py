"""A pipeline as one durable run: each step is done once, or taken from an earlier run that did the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edgewright.contract.api import Does, StepDraft, StepState
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.automate.pipelines.job import Asked, Doing, Job
from edgewright.hub.automate.pipelines.keys import digest
from edgewright.hub.automate.pipelines.model import NothingToReuse, Result, before, found
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.jobs import RunContext

OUTCOME = ("snapshot", "version", "champion", "release", "rollout", "why")
"""The facts that a run is remembered by."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a step before it is done: its digest, and what an earlier run made under that."""

    digest: str = ""
    result: Result | None = None


class Running:
    """Performs runs of pipelines. `champion` names the version that a model's challenger has to beat, 0 for none."""

    def __init__(
        self,
        records: Records,
        clock: Callable[[], float],
        doings: Mapping[Does, Doing],
        champion: Callable[[str], int],
        allow: Callable[[Job], None],
    ) -> None:
        self._records = records
        self._clock = clock
        self._doings = doings
        self._champion = champion
        self._allow = allow

    def body(self, context: RunContext) -> dict[str, Any]:
        """The whole pipeline. An EdgewrightError of a step ends the run as failed, with the reason."""
        asked = msgspec.convert(context.args, Asked)
        first = context.step("begin", self._begin, asked)
        results: dict[str, Result] = {}
        for place, step in enumerate(asked.steps):
            earlier = [results[one.name] for one in before(asked.steps, step.name)]
            fraction = place / len(asked.steps)
            job = Job(context, asked, step, found(first, earlier), fraction, self._records)
            context.report(step.name, fraction)
            results[step.name] = self._take(job)
        facts = found(first, list(results.values())).facts
        return {name: facts[name] for name in OUTCOME if facts.get(name)}

    def _begin(self, asked: Asked) -> dict[str, Any]:
        overrides = asked.overrides
        champion = overrides.champion or self._champion(asked.pipeline.model)
        return {"champion": champion, **({"snapshot": overrides.snapshot} if overrides.snapshot else {})}

    def _take(self, job: Job) -> Result:
        look = msgspec.convert(job.once("look for it", self._look, job), Look)
        if look.result is not None:
            job.once("reuse", self._reuse, job, look)
            return look.result
        job.once("start", self._start, job, look.digest)
        self._allow(job)
        result = self._doings[job.step.does].act(job)
        result = msgspec.structs.replace(result, run=job.run)
        job.once("keep", self._keep, job, look.digest, result)
        return result

    def _look(self, job: Job) -> dict[str, Any]:
        """The digest of a step, and the result to use instead of doing it, if there is one."""
        if self._is_before(job.asked, job.step):
            return _builtins(Look(result=self._latest(job)))
        doing = self._doings[job.step.does]
        inputs = doing.inputs(job)
        if inputs is None:
            return _builtins(Look())
        key = digest(job.asked.pipeline, job.step, inputs)
        may_reuse = job.asked.overrides.use_cache and job.step.is_cached and not job.asked.overrides.from_step
        kept = self._records.find(key) if may_reuse else None
        holds = kept is not None and self._holds(doing, job, kept)
        return _builtins(Look(digest=key, result=kept if holds else None))

    def _is_before(self, asked: Asked, step: StepDraft) -> bool:
        """Whether a run from another step on does not do this one."""
        wanted = asked.overrides.from_step
        return bool(wanted) and any(one.name == step.name for one in before(asked.steps, wanted))

    def _latest(self, job: Job) -> Result:
        record = self._records.latest(job.model, job.step.name)
        if record is None:
            wanted = job.asked.overrides.from_step
            message = f"no run has done '{job.step.name}' yet, which comes before '{wanted}'"
            raise NothingToReuse(message, field="from_step")
        result = Result(
            facts=record.facts, files=record.files, run=record.reused_from or record.run, where=record.where
        )
        if not self._holds(self._doings[job.step.does], job, result):
            raise NothingToReuse(f"what '{job.step.name}' made in {result.run} is gone", field="from_step")
        return result

    @staticmethod
    def _holds(doing: Doing, job: Job, result: Result) -> bool:
        try:
            return doing.holds(job, result)
        except EdgewrightError:
            return False  # what it made is no longer there

    def _start(self, job: Job, digest: str) -> None:
        record = self._records.get(job.run, job.step.name)
        began = record.started_at or self._clock()
        self._records.save(
            msgspec.structs.replace(record, state=StepState.RUNNING, digest=digest, started_at=began, note="")
        )

    def _reuse(self, job: Job, look: Look) -> None:
        assert look.result is not None  # noqa: S101 (asked by _take)
        now = self._clock()
        record = self._records.get(job.run, job.step.name)
        changed = msgspec.structs.replace(
            record,
            state=StepState.REUSED,
            digest=look.digest,
            facts=look.result.facts,
            files=look.result.files,
            note=look.result.note,
            where=look.result.where,
            reused_from=look.result.run,
            started_at=now,
            ended_at=now,
        )
        self._records.save(changed)

    def _keep(self, job: Job, digest: str, result: Result) -> None:
        now = self._clock()
        record = self._records.get(job.run, job.step.name)
        changed = msgspec.structs.replace(
            record,
            state=StepState.SKIPPED if result.skipped else StepState.DONE,
            note=result.skipped or result.note,
            facts=result.facts,
            files=result.files,
            where=result.where,
            ended_at=now,
        )
        if digest and not result.skipped:
            self._records.keep(digest, job.model, job.step.name, result, now)
        self._records.save(changed)


def _builtins(look: Look) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(look)
    return made
