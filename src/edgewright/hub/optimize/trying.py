"""Does the work of a study: what runs inside its durable steps, each of which can be repeated, and gives JSON."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.contract.api import (
    SOURCE_TRIAL,
    StudyDraft,
    StudyRecord,
    Target,
    TrialRecord,
    TrialState,
    VersionRecord,
)
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.children import Cancelled
from edgewright.hub.db import Database
from edgewright.hub.jobs import RunContext
from edgewright.hub.optimize.making.workshop import Prepared, Site, Workshop
from edgewright.hub.optimize.measuring import Measurement, Rehearsal, Subject
from edgewright.hub.optimize.model import Made
from edgewright.hub.optimize.search import trials
from edgewright.hub.optimize.search.candidates import Candidate, asked_for, choose
from edgewright.hub.optimize.search.history import Lesson, learn
from edgewright.hub.optimize.search.recipe import title
from edgewright.hub.optimize.search.trials import Try
from edgewright.hub.optimize.steps.shelf import Shelf, stock
from edgewright.hub.optimize.studies import Studies
from edgewright.hub.registry import Registry

LEAST_S = 10.0
"""What a step has at least, however little of the budget is left when it begins."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a study sets out to do."""

    prepared: Prepared
    lesson: Lesson
    training: frozenset[str] = frozenset()  # steps that take minutes

    def said(self) -> str:
        """In lines, for logs."""
        lines = [f"try {title(candidate.recipe)}: {candidate.why}\n" for candidate in self.lesson.tries]
        lines += [f"skip {title(one.recipe)}: {one.why}\n" for one in self.lesson.skipped]
        return "".join(lines)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a round of measuring left: the source's trial before all others."""

    trials: tuple[TrialRecord, ...]


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """How the golden vectors of a trial went in every place that this machine has."""

    rehearsals: tuple[Rehearsal, ...]

    @property
    def broken(self) -> list[Rehearsal]:
        """Where they did not hold, of the places where the target's devices run it."""
        return [each for each in self.rehearsals if each.is_own and not each.holds]


@dataclass(frozen=True)
class Task:
    """A study in hand. Its `record` holds its constraints and its budget."""

    context: RunContext
    site: Site
    goal: Target
    draft: StudyDraft
    record: StudyRecord


class Trying:
    """Plans, makes and measures. One instance serves all runs; one of them measures at a time, for its times' sake."""

    def __init__(self, db: Database, registry: Registry, studies: Studies, workshop: Workshop) -> None:
        self._db = db
        self._registry = registry
        self._studies = studies
        self._workshop = workshop
        self._measuring = threading.Lock()

    def plan(self, task: Task) -> Any:
        """Lay out what is tried: a Plan."""
        plan = self.planned(task.site, task.goal, task.draft)
        with self._db.write() as connection:
            self._studies.grow(connection, task.record)
            self._studies.note_family(connection, task.record.id, plan.prepared.facts.op_types)
        task.context.report("plan", 0.05, log=plan.said())
        return msgspec.to_builtins(plan)

    def shelf(self) -> Shelf:
        """The steps that there are here."""
        return stock(self._workshop.toolchains().keys())

    def planned(self, site: Site, goal: Target, draft: StudyDraft) -> Plan:
        """What a study would try; raises InvalidInput for rows, sources and recipes that will not do."""
        prepared = self._workshop.prepare(site)
        shelf = self.shelf()
        lesson = self._lesson(site.version, goal, draft, prepared, shelf)
        training = frozenset(name for name, about in shelf.abouts.items() if about.is_training)
        return Plan(prepared=prepared, lesson=lesson, training=training)

    def _lesson(
        self, version: VersionRecord, goal: Target, draft: StudyDraft, prepared: Prepared, shelf: Shelf
    ) -> Lesson:
        if draft.recipes:
            asked = asked_for(draft.recipes, goal, prepared.format, shelf)
            return Lesson(tries=asked.tries, skipped=asked.skipped)
        choice = choose(goal, prepared.facts, prepared.format, shelf, has_labels=prepared.has_labels)
        if not draft.use_history:
            return learn(choice, ())
        family = self._studies.family(version.model, version.version, goal.id, prepared.facts.op_types)
        return learn(choice, family, draft.budget_s)

    def make(self, task: Task, plan: Plan, id: str, candidate: Candidate, left_s: float, fraction: float) -> Any:
        """Take a candidate's steps: a Try. One that fails fails its trial alone."""
        shelf = self.shelf()
        abouts = [shelf.abouts[step.name] for step in candidate.steps]
        tried = Try(id=id, candidate=candidate)
        made = Made(
            sha256=task.site.version.source_sha256,
            format=plan.prepared.format,
            precision=plan.prepared.facts.precision,
            is_cached=True,
        )
        started = time.monotonic()
        try:
            for step, about in zip(candidate.steps, abouts, strict=True):
                task.context.report(f"{id} {step}", fraction)
                timeout_s = max(LEAST_S, left_s - (time.monotonic() - started))
                made = self._workshop.take_step(
                    task.site, made, step, about, timeout_s=timeout_s, use_cache=task.draft.use_cache
                )
        except Cancelled:
            raise
        except EdgewrightError as error:
            failed = msgspec.structs.replace(tried, state=TrialState.FAILED, reason=error.message)
            tried = msgspec.structs.replace(failed, seconds=time.monotonic() - started)
            task.context.report(id, log=trials.line(trials.unmeasured(tried)))
            return msgspec.to_builtins(tried)
        seconds = time.monotonic() - started
        return msgspec.to_builtins(msgspec.structs.replace(tried, made=made, precision=made.precision, seconds=seconds))

    def measure(self, task: Task, plan: Plan, tries: Sequence[Try], done: Sequence[TrialRecord]) -> Any:
        """Measure a batch in turns with the source, and let people see it: Measured."""
        tries = distinct(tries, {trial.sha256: trial.id for trial in done if trial.sha256})
        made = {one.id: one.made for one in tries if one.made is not None and one.state is TrialState.KEPT}
        measured: dict[str, Measurement] = {}
        seconds = 0.0
        if made or not done:
            with self._measuring:
                started = time.monotonic()
                measured = self._measured(task, plan, tries)
                seconds = (time.monotonic() - started) / (1 + len(made))
        found: list[TrialRecord] = []
        if not done:
            sha256, facts = task.site.version.source_sha256, plan.prepared.facts
            found.append(
                trials.source_trial(measured[SOURCE_TRIAL], sha256, plan.prepared.format, facts.precision, seconds)
            )
        for one in tries:
            made_one = made.get(one.id)
            if made_one is None:
                found.append(trials.unmeasured(one))
            else:
                found.append(trials.measured_trial(one, made_one, measured[one.id], measured[SOURCE_TRIAL], seconds))
        self._show(task, done, found)
        return msgspec.to_builtins(Measured(trials=tuple(found)))

    def _measured(self, task: Task, plan: Plan, tries: Sequence[Try]) -> dict[str, Measurement]:
        version = task.site.version
        subjects = [
            Subject(
                id=one.id,
                model=one.made.sha256,
                precision=one.precision,
                format=one.made.format,
                estimates=one.made.estimates,
                answers_as=one.made.answers_as,
            )
            for one in tries
            if one.made is not None and one.state is TrialState.KEPT
        ]
        facts = plan.prepared.facts
        source = Subject(
            id=SOURCE_TRIAL, model=version.source_sha256, precision=facts.precision, format=plan.prepared.format
        )
        goal = msgspec.structs.replace(task.goal, constraints=task.record.constraints)

        def progress(number: int, total: int) -> None:
            if task.site.is_cancelled():
                raise Cancelled("the study was cancelled")
            task.context.report(f"measuring {len(subjects)} trials, {number} of {total}")

        parent = self._parent(version, task.goal.id)
        found = self._workshop.measure(task.site, source, subjects, goal, parent, progress)
        return {each.id: each for each in found}

    def _parent(self, version: VersionRecord, target: str) -> str:
        """The digest of the parent version's variant for a target: what the fleet runs; "" without one."""
        if not version.lineage.parent:
            return ""
        variants = self._registry.variants(version.model, version.lineage.parent)
        return next((variant.sha256 for variant in variants if variant.target == target), "")

    def rehearse(self, task: Task, trial: TrialRecord) -> Any:
        """Nothing, where the trial has no golden vectors, or only a device can run it."""
        subject = Subject(id=trial.id, model=trial.sha256, precision=trial.precision, format=trial.format)
        found: tuple[Rehearsal, ...] = ()
        abouts = self.shelf().abouts
        is_opaque = any(abouts[line.split()[0]].is_opaque for line in trial.recipe)
        if trial.golden_sha256 and not is_opaque:
            found = self._workshop.rehearse(task.site, subject, trial.golden_sha256, task.goal)
        task.context.report(f"rehearse {trial.id}", log="".join(f"{each}\n" for each in found))
        return msgspec.to_builtins(Rehearsed(rehearsals=found))

    def _show(self, task: Task, done: Sequence[TrialRecord], found: Sequence[TrialRecord]) -> None:
        """Save what the study is so far, and say it in the run's log."""
        study = msgspec.structs.replace(task.record, trials=(*done, *found))
        with self._db.write() as connection:
            self._studies.grow(connection, study)
        words = [
            trials.line(trial, trial.reasons[-1] if trial.reasons else "")
            for trial in found
            if trial.id != SOURCE_TRIAL
        ]
        task.context.report("measured", log="".join(words))


def distinct(tries: Sequence[Try], known: dict[str, str]) -> tuple[Try, ...]:
    """The tries with those skipped whose bytes another trial has; `known` are ids by digest."""
    seen = dict(known)
    found: list[Try] = []
    for one in tries:
        sha256 = one.made.sha256 if one.made is not None else ""
        if sha256 and sha256 in seen:
            why = f"not measured: the same bytes as {seen[sha256]}"
            one = msgspec.structs.replace(one, state=TrialState.SKIPPED, reason=why)
        elif sha256:
            seen[sha256] = one.id
        found.append(one)
    return tuple(found)
