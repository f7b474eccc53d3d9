"""Whether a study's time is enough for another trial. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewright.contract.api import TrialRecord
from edgewright.hub.optimize.search.candidates import Candidate
from edgewright.hub.optimize.search.recipe import title

TRAINING_S = 30.0
"""What a trial that trains is thought to take before any has."""


def expected_s(candidate: Candidate, done: Sequence[TrialRecord], known_s: Mapping[str, float], trains: bool) -> float:
    """What the like of a trial took: the same recipe in an earlier study, else one with the same steps in this one,
    else a guess: nothing, or TRAINING_S where it trains.
    """
    if (known := known_s.get(title(candidate.recipe))) is not None:
        return known
    alike = [trial.seconds for trial in done if _steps(trial.recipe) == _steps(candidate.recipe) and trial.seconds]
    return max(alike, default=TRAINING_S if trains else 0.0)


def shortage(left_s: float, expected_s: float) -> str:
    """Why a trial is not started; "" if there is time for it."""
    if left_s <= 0:
        return "the budget was spent"
    if left_s < expected_s:
        return f"{left_s:.0f} s of the budget were left, and it may take {expected_s:.0f} s"
    return ""


def _steps(recipe: Sequence[str]) -> tuple[str, ...]:
    return tuple(step.split(" ", 1)[0] for step in recipe)
