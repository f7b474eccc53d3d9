"""Asks the policy before a step, and has the run wait where people are asked."""

from __future__ import annotations

import hashlib

import msgspec

from edgewright.contract.api import Does, Leave, LeaveState, Outcome, PolicyStep, StepState
from edgewright.hub.automate.pipelines.job import LOOK_AGAIN_S, Job
from edgewright.hub.automate.pipelines.model import PipelineStopped
from edgewright.hub.automate.policies import Policies, StepFacts

ASKED = {
    Does.TRAIN: (PolicyStep.TRAIN,),
    Does.TRANSFER: (PolicyStep.TRAIN,),
    Does.OPTIMISE: (PolicyStep.PROMOTE,),
    Does.PACKAGE: (PolicyStep.PROMOTE, PolicyStep.PACKAGE),
    Does.ROLL_OUT: (PolicyStep.ROLL_OUT,),
}
"""What a policy decides on, and before which steps that lies. Who has approved a promotion is not asked twice."""


class Allowing:
    """Lets a step begin, now or when people have agreed."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def __call__(self, job: Job) -> None:
        """Return once the step may begin; raises PipelineStopped where it may not."""
        if job.step.does is Does.ROLL_OUT and not job.step.params.get("group"):
            return  # there is nothing to do
        for asked in ASKED.get(job.step.does, ()):
            self._wait_for(job, asked)

    def _wait_for(self, job: Job, asked: PolicyStep) -> None:
        while True:
            leave = msgspec.convert(job.once(f"may it {asked}", self._ask, job, asked), Leave)
            if leave.state is LeaveState.STOP:
                raise PipelineStopped(f"'{job.step.name}' does not begin: {leave.why}", field=job.step.name)
            if leave.state is LeaveState.GO:
                break
            job.tell(StepState.WAITING, f"waiting for approval: {leave.why}")
            job.context.wait(LOOK_AGAIN_S)
        if leave.approval:
            job.tell(StepState.RUNNING, "")

    def _ask(self, job: Job, asked: PolicyStep) -> dict[str, str]:
        found = job.found
        outcome = found.facts.get("outcome") if asked is PolicyStep.PROMOTE else None
        version = f"{job.model}@{found.version}" if found.version else job.model
        release = str(found.facts.get("release", "")) if asked is PolicyStep.ROLL_OUT else ""
        about = StepFacts(
            subject=release or version,
            digest=_digest([job.run, asked, version, release, found.facts.get("evaluation"), outcome]),
            author=job.asked.principal,
            run=job.run,
            why=str(found.facts.get("why") or job.asked.why),
            verdict=Outcome(outcome) if outcome else None,
        )
        made: dict[str, str] = msgspec.to_builtins(self._policies.leave(job.model, asked, about))
        return made


def _digest(said: list[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
