"""Pipelines as graphs: which steps there are, in which order they run, and what each finds. Pure rules."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgewright.contract.api import Does, FileRef, PipelineDraft, StepDraft, StepTaken
from edgewright.contract.api.tasks import Limits
from edgewright.contract.errors import InvalidInput, NotFound, Refused

USUAL = (Does.COLLECT, Does.TRAIN, Does.EVALUATE, Does.OPTIMISE, Does.PACKAGE, Does.ROLL_OUT)
"""What a pipeline does that says nothing of its steps."""


class UnknownPipeline(NotFound):
    code = "unknown_pipeline"
    hint = "`edgewright train` or `edgewright pipeline run` in the project's folder stores it."


class ChallengerNotBetter(Refused):
    code = "challenger_not_better"
    hint = "The champion stays. Label more samples, or change the training."


class TrainingFailed(Refused):
    code = "training_failed"
    hint = "`edgewright run show ID` prints the log of the command."


class StepFailed(Refused):
    """A command of the user's left something out."""

    code = "pipeline_step_failed"
    hint = "`edgewright run show ID` prints the log of the command."


class PipelineStopped(Refused):
    """A policy, or a person whom it asked, said no."""

    code = "pipeline_stopped"
    hint = "`edgewright run show ID` says before which step, and why."


class NothingToReuse(Refused):
    code = "nothing_to_reuse"
    hint = "Run the whole pipeline once: `edgewright pipeline run`."


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a step made: facts for the steps after it, and files. `skipped` says why it had nothing to do."""

    facts: dict[str, Any] = {}
    files: tuple[FileRef, ...] = ()
    note: str = ""
    skipped: str = ""
    where: str = ""
    taken: StepTaken | None = None  # as the lineage of a version tells it
    run: str = ""  # who did it


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a step finds when it begins: what the steps before it made, the later winning."""

    facts: dict[str, Any] = {}
    files: tuple[FileRef, ...] = ()
    taken: tuple[StepTaken, ...] = ()

    @property
    def snapshot(self) -> str:
        """The snapshot to learn from."""
        return str(self.facts.get("snapshot", ""))

    @property
    def champion(self) -> int:
        """The version to start from and to beat; 0 where there is none."""
        return int(self.facts.get("champion", 0))

    @property
    def version(self) -> int:
        """The version that this run has trained; 0 before that."""
        return int(self.facts.get("version", 0))


def steps_of(draft: PipelineDraft) -> tuple[StepDraft, ...]:
    """The steps of a pipeline in the order in which they run, with what each needs spelled out.

    Raises InvalidInput, which names the field and the fix, for steps that make no whole.
    """
    limits = Limits(timeout_s=draft.timeout_s)
    steps = draft.steps or tuple(StepDraft(name=does, does=does, limits=limits) for does in USUAL)
    return ordered(spelled_out(steps, draft.command))


def spelled_out(steps: Sequence[StepDraft], command: str) -> tuple[StepDraft, ...]:
    """Each step with its command and its needs: the step before it where it says nothing, and who writes its inputs."""
    writers = {path: step.name for step in steps for path in step.outputs}
    made = []
    for place, step in enumerate(steps):
        needs = step.needs if step.needs is not None else tuple(before.name for before in steps[place - 1 : place])
        inputs = tuple(writers[path] for path in step.inputs if path in writers)
        own = step.command or ("" if step.does is not Does.TRAIN or step.function else command)
        unique = tuple(dict.fromkeys((*needs, *inputs)))
        made.append(msgspec.structs.replace(step, needs=unique, command=own))
    return tuple(made)


def ordered(steps: Sequence[StepDraft]) -> tuple[StepDraft, ...]:
    """The steps so that each comes after those that it needs, else as they stand. Raises InvalidInput for a cycle."""
    known = {step.name for step in steps}
    for step in steps:
        for need in step.needs or ():
            if need not in known:
                raise _wrong(step, "needs", f"there is no step '{need}'", _nearest(need, known))
    done: dict[str, StepDraft] = {}
    while len(done) < len(steps):
        ready = next((s for s in steps if s.name not in done and set(s.needs or ()) <= done.keys()), None)
        if ready is None:
            left = [step for step in steps if step.name not in done]
            round_trip = " → ".join(_cycle(left))
            raise _wrong(left[0], "needs", f"the steps need each other: {round_trip}", "Take one of these needs away.")
        done[ready.name] = ready
    return tuple(done.values())


def before(steps: Sequence[StepDraft], name: str) -> tuple[StepDraft, ...]:
    """All steps that one needs, directly or through others, in the order in which they run."""
    needs = {step.name: set(step.needs or ()) for step in steps}
    wanted: set[str] = set()
    waiting = list(needs[name])
    while waiting:
        one = waiting.pop()
        if one not in wanted:
            wanted.add(one)
            waiting.extend(needs[one])
    return tuple(step for step in steps if step.name in wanted)


def found(first: Mapping[str, Any], results: Sequence[Result]) -> Found:
    """What the steps that led here have made, on top of what the run began with."""
    facts = dict(first)
    for result in results:
        facts |= result.facts
    files = {file.path: file for result in results for file in result.files}
    taken = tuple(result.taken for result in results if result.taken is not None)
    return Found(facts=facts, files=tuple(files[path] for path in sorted(files)), taken=taken)


def _cycle(left: Sequence[StepDraft]) -> list[str]:
    """Names of steps that lead back to the first of them."""
    needs = {step.name: [need for need in step.needs or () if any(need == s.name for s in left)] for step in left}
    path = [left[0].name]
    while path[-1] not in path[:-1]:
        path.append(needs[path[-1]][0])
    return path[path.index(path[-1]) :]


def _nearest(word: str, known: set[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(sorted(known))}."


def _wrong(step: StepDraft, field: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"step '{step.name}': {what}", field=f"pipeline.steps.{step.name}.{field}", hint=hint)
