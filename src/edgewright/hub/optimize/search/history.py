"""What earlier studies of a model's family teach: of what lost there, nothing is tried again. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import StudyRecord, TrialRecord, TrialState
from edgewright.hub.optimize.search.candidates import Candidate, Choice, Skipped
from edgewright.hub.optimize.search.front import front, point
from edgewright.hub.optimize.search.recipe import title

KEPT_OF_FRONT = 3
"""How many of an earlier front are tried again: what was recommended or chosen, then the smallest, the fastest …"""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What to try now, what only if none of it will do (`reserve`), what not, and why in sentences."""

    tries: tuple[Candidate, ...]
    reserve: tuple[Candidate, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    reasons: tuple[str, ...] = ()
    seconds: dict[str, float] = {}  # what each recipe took, by its title


def learn(choice: Choice, family: Sequence[StudyRecord], budget_s: float = math.inf) -> Lesson:
    """Leave out of `choice` what the family's studies (the newest first) show to be worse; without any, all is tried.

    Of each recipe the newest study counts that tried it. What took longer there than `budget_s` has won nothing that
    could be had again.
    """
    verdicts: dict[tuple[str, ...], _Verdict] = {}
    for study in reversed(family):
        verdicts |= _verdicts(study, budget_s)
    tries, reserve, skipped = [], [], list(choice.skipped)
    for candidate in choice.tries:
        verdict = verdicts.get(candidate.recipe)
        if verdict is None or verdict.is_worth_it:
            tries.append(candidate)
            continue
        reserve.append(candidate)
        skipped.append(Skipped(recipe=candidate.recipe, why=_why_not(verdict.trial, verdict.study, budget_s)))
    if not tries:
        return Lesson(tries=choice.tries, skipped=choice.skipped)
    return Lesson(
        tries=tuple(tries),
        reserve=tuple(reserve),
        skipped=tuple(skipped),
        reasons=(_summary(family[0], len(reserve)),) if reserve else (),
        seconds={title(recipe): one.trial.seconds for recipe, one in verdicts.items() if one.trial.seconds},
    )


@dataclass(frozen=True)
class _Verdict:
    """What one study says of one recipe."""

    trial: TrialRecord
    study: StudyRecord
    is_worth_it: bool


def _verdicts(study: StudyRecord, budget_s: float) -> dict[tuple[str, ...], _Verdict]:
    """Of each recipe that was tried. One that failed gets another chance where there is more time than it had."""
    again = {trial.recipe for trial in _best(study, budget_s)}
    return {
        trial.recipe: _Verdict(
            trial,
            study,
            trial.recipe in again or (trial.state is TrialState.FAILED and study.budget_s < budget_s),
        )
        for trial in study.trials
        if trial.state is not TrialState.SKIPPED
    }


def _best(study: StudyRecord, budget_s: float) -> list[TrialRecord]:
    """The trials worth another try: recommended and chosen, then the smallest, the fastest, the best of the front."""
    best = _within(study, budget_s)
    named = [trial for trial in best if trial.id in (study.recommended, study.chosen)]
    extremes = [min(best, key=count) for count in (_size, _time, _loss)] if best else []
    found = {trial.id: trial for trial in (*named, *extremes)}
    return list(found.values())[:KEPT_OF_FRONT]


def _within(study: StudyRecord, budget_s: float) -> list[TrialRecord]:
    """The study's front; where all of it but the source took too long, the front of what did not."""
    quick = [trial for trial in study.trials if trial.figures is not None and trial.seconds <= budget_s]
    found = [trial for trial in quick if trial.is_on_front]
    if any(trial.recipe for trial in found) or all(trial in quick for trial in study.trials if trial.is_on_front):
        return found
    left = [trial for trial in quick if trial.recipe and not trial.breaks]
    ids = front([known for trial in left if (known := point(trial)) is not None])
    return [trial for trial in left if trial.id in ids]


def _size(trial: TrialRecord) -> float:
    return trial.figures.size_bytes if trial.figures is not None else 0.0


def _time(trial: TrialRecord) -> float:
    return trial.figures.timing.p95_ms if trial.figures is not None else 0.0


def _loss(trial: TrialRecord) -> float:
    return -trial.figures.quality.value if trial.figures is not None else 0.0


def _why_not(trial: TrialRecord, study: StudyRecord, budget_s: float) -> str:
    where = f"on version {study.version} ({trial.id} of {study.id})"
    match trial.state:
        case TrialState.KEPT if trial.is_on_front and trial.seconds > budget_s:
            return f"it took {trial.seconds:.0f} s {where}, more than there is now"
        case TrialState.KEPT if trial.is_on_front:
            return f"it was on the front {where}, but others were smaller, faster or better"
        case TrialState.KEPT:
            return f"it lost {where}"
        case TrialState.STRAYED:
            return f"it strayed {where}: {trial.reason}"
        case _:
            return f"it failed {where}: {trial.reason}"


def _summary(study: StudyRecord, left_out: int) -> str:
    return (
        f"version {study.version} has the same operators: of what lost by then, {left_out} "
        f"{'recipe was' if left_out == 1 else 'recipes were'} not tried again (--no-history tries all)"
    )
