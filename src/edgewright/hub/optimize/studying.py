"""Performs a study: makes and measures one trial after the other while there is time, and says which is best.

What is decided here depends on what durable steps left alone, so a study that a crash cut off goes on where it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from edgewright.contract.api import SOURCE_TRIAL, StudyRecord, TrialRecord, TrialState
from edgewright.hub.optimize.search import budget, trials
from edgewright.hub.optimize.search.candidates import Candidate
from edgewright.hub.optimize.search.conclude import conclude
from edgewright.hub.optimize.search.trials import Try
from edgewright.hub.optimize.trying import Measured, Plan, Rehearsed, Task, Trying

BATCH = 6
"""So many trials are measured in turns with each other and the source."""


class Studying:
    """The course of a study: which durable step comes next."""

    def __init__(self, trying: Trying) -> None:
        self._trying = trying

    def perform(self, task: Task) -> StudyRecord:
        """The whole search; returns the study, concluded. Raises Cancelled, and InvalidInput for rows or a source that
        no trial could work with.
        """
        task.context.report("plan", 0.01)
        plan = msgspec.convert(task.context.step("plan", self._trying.plan, task), Plan)
        numbers = itertools.count(1)
        done = self._try_all(task, plan, plan.lesson.tries, numbers, ())
        study = self._concluded(task, plan, done)
        if not study.recommended and plan.lesson.reserve:
            left = tuple(one for one in plan.lesson.skipped if one.recipe not in _recipes(plan.lesson.reserve))
            plan = msgspec.structs.replace(plan, lesson=msgspec.structs.replace(plan.lesson, skipped=left))
            done = self._try_all(task, plan, plan.lesson.reserve, numbers, done)
            study = self._concluded(task, plan, done)
        return self._rehearsed(task, plan, study, done)

    def _try_all(
        self,
        task: Task,
        plan: Plan,
        tries: Sequence[Candidate],
        numbers: itertools.count[int],
        done: tuple[TrialRecord, ...],
    ) -> tuple[TrialRecord, ...]:
        """Try candidates batch by batch, each measured in turns with the source; returns all trials so far."""
        for batch in batches(tries, plan.training):
            made: list[Try] = []
            for candidate in batch:
                made.append(self._try(task, plan, f"t{next(numbers)}", candidate, done, made, len(tries)))
            name = f"measure {made[0].id}–{made[-1].id}" if len(made) > 1 else f"measure {made[0].id}"
            found = task.context.step(name, self._trying.measure, task, plan, made, done)
            done = (*done, *msgspec.convert(found, Measured).trials)
        if not done:
            found = task.context.step("measure t0", self._trying.measure, task, plan, [], done)
            done = msgspec.convert(found, Measured).trials
        return done

    def _try(
        self,
        task: Task,
        plan: Plan,
        id: str,
        candidate: Candidate,
        done: Sequence[TrialRecord],
        made: Sequence[Try],
        total: int,
    ) -> Try:
        """Make one trial if there is time for it."""
        spent_s = sum(trial.seconds for trial in done) + sum(one.seconds for one in made)
        left_s = task.record.budget_s - spent_s
        trains = any(step.name in plan.training for step in candidate.steps)
        expected_s = budget.expected_s(candidate, done, plan.lesson.seconds, trains)
        if short := budget.shortage(left_s, expected_s):
            why = f"not tried: {short}"
            return Try(id=id, candidate=candidate, state=TrialState.SKIPPED, reason=why)
        fraction = 0.05 + 0.85 * min(1.0, (len(done) + len(made)) / max(total, 1))
        found = task.context.step(f"make {id}", self._trying.make, task, plan, id, candidate, left_s, fraction)
        return msgspec.convert(found, Try)

    def _concluded(self, task: Task, plan: Plan, done: Sequence[TrialRecord]) -> StudyRecord:
        found = conclude(msgspec.structs.replace(task.record, trials=tuple(done)), task.goal.format)
        skipped = trials.skipped_trials(plan.lesson.skipped, len(done))
        reasons = (*found.reasons, *plan.lesson.reasons)
        return msgspec.structs.replace(found, trials=(*found.trials, *skipped), reasons=reasons)

    def _rehearsed(self, task: Task, plan: Plan, study: StudyRecord, done: Sequence[TrialRecord]) -> StudyRecord:
        """The study once the golden vectors of what it recommends were run elsewhere too. What does not hold where the
        target's devices run it is recommended no more, and the next best is looked at.
        """
        while (best := next((trial for trial in study.trials if trial.id == study.recommended), None)) is not None:
            task.context.report(f"rehearse {best.id}", 0.92)
            found = msgspec.convert(
                task.context.step(f"rehearse {best.id}", self._trying.rehearse, task, best), Rehearsed
            )
            broken = found.broken
            if best.id == SOURCE_TRIAL or not broken:
                return msgspec.structs.replace(study, reasons=(*study.reasons, *map(str, found.rehearsals)))
            strayed = msgspec.structs.replace(best, state=TrialState.STRAYED, reason="; ".join(map(str, broken)))
            done = tuple(strayed if trial.id == best.id else trial for trial in done)
            study = self._concluded(task, plan, done)
        return study


def batches(tries: Sequence[Candidate], training: frozenset[str]) -> list[tuple[Candidate, ...]]:
    """Candidates by BATCH, in order; those that train are measured one by one, since people wait minutes for each."""
    found: list[tuple[Candidate, ...]] = []
    quick: list[Candidate] = []
    for candidate in tries:
        if any(step.name in training for step in candidate.steps):
            found += [tuple(quick), (candidate,)]
            quick = []
        else:
            quick.append(candidate)
            if len(quick) == BATCH:
                found.append(tuple(quick))
                quick = []
    return [batch for batch in (*found, tuple(quick)) if batch]


def _recipes(tries: Sequence[Candidate]) -> set[tuple[str, ...]]:
    return {candidate.recipe for candidate in tries}
