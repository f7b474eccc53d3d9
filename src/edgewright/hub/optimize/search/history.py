"""What earlier studies of a model's family teach: of what lost there, nothing is tried again. Pure."""

from __future__ import annotations

import math

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


def learn(choice: Choice, earlier: StudyRecord | None, budget_s: float = math.inf) -> Lesson:
    """Leave out of `choice` what the family's newest study shows to be worse; without one, all is tried.

    What took longer there than `budget_s` has won nothing that could be had again.
    """
    if earlier is None:
        return Lesson(tries=choice.tries, skipped=choice.skipped)
    trials = {trial.recipe: trial for trial in earlier.trials}
    again = {trial.recipe for trial in _best(earlier, budget_s)}
    tries, reserve, skipped = [], [], list(choice.skipped)
    for candidate in choice.tries:
        trial = trials.get(candidate.recipe)
        if trial is None or trial.state is TrialState.SKIPPED or candidate.recipe in again:
            tries.append(candidate)
            continue
        reserve.append(candidate)
        skipped.append(Skipped(recipe=candidate.recipe, why=_why_not(trial, earlier)))
    if not tries:
        return Lesson(tries=choice.tries, skipped=choice.skipped)
    return Lesson(
        tries=tuple(tries),
        reserve=tuple(reserve),
        skipped=tuple(skipped),
        reasons=(_summary(earlier, len(reserve)),) if reserve else (),
        seconds={title(trial.recipe): trial.seconds for trial in earlier.trials if trial.seconds},
    )


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


def _why_not(trial: TrialRecord, study: StudyRecord) -> str:
    where = f"on version {study.version} ({trial.id} of {study.id})"
    match trial.state:
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
        f"version {study.version} has the same operators: of what lost there, {left_out} recipes were not tried again "
        f"(--no-history, use_history=false, tries all)"
    )
