"""Which trial to take, and why, in sentences. Pure.

A trial that is slower or larger than the baseline is never recommended, whatever the constraints: the baseline is the
source itself, or its plain conversion where the target runs another format.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.contract.api import SOURCE_TRIAL, Constraints, Figures, ModelFormat, Precision, TrialRecord
from edgewright.hub.optimize.search import limits
from edgewright.hub.optimize.search.front import Point, point
from edgewright.hub.optimize.search.recipe import title

NEAREST = 3


@dataclass(frozen=True)
class Advice:
    """The id of the trial to take ("" for none), and why in sentences. `is_met`: something meets the constraints."""

    trial: str
    reasons: tuple[str, ...]
    is_met: bool = True


def baseline(trials: Sequence[TrialRecord], format: ModelFormat) -> TrialRecord | None:
    """What all are held against: the source where the target runs its format, else the first that changes no number."""
    fit = [
        trial
        for trial in trials
        if trial.format is format
        and (trial.id == SOURCE_TRIAL or trial.precision is Precision.FP32)
        and point(trial) is not None
    ]
    return next((trial for trial in fit if trial.id == SOURCE_TRIAL), next(iter(fit), None))


def advise(trials: Sequence[TrialRecord], base: TrialRecord | None, limits_: Constraints) -> Advice:
    """Weigh those of `trials` that are on the front (`breaks` and `is_on_front` are set) and the baseline."""
    able = [trial for trial in trials if trial.is_on_front and trial is not base]
    able += [base] if base is not None else []  # the last, so that of equals another one is taken
    meeting = [trial for trial in able if not trial.breaks]
    worse = {trial.id: why for trial in meeting if (why := _worse(trial, base))}
    fit = [trial for trial in meeting if trial.id not in worse]
    if not fit:
        return Advice("", _unmet(trials, meeting, worse, limits_), is_met=False)
    best = max(fit, key=lambda trial: score(trial, base, limits_))
    reasons = [_praise(best, base)]
    reasons += [f"{_name(trial)} is not: {worse[trial.id]}" for trial in meeting if trial.id in worse]
    rivals = [trial for trial in fit if trial is not best and trial.is_on_front]
    reasons += [said for trial in rivals if (said := _rival(trial, best))]
    reasons += [f"{_name(trial)} is not: it breaks {_broken(trial, limits_)}" for trial in able if trial.breaks]
    return Advice(best.id, tuple(reasons))


def takable(trials: Sequence[TrialRecord], base: TrialRecord | None) -> frozenset[str]:
    """The ids of those that might be recommended: they meet the constraints, neither slower nor larger than `base`."""
    return frozenset(trial.id for trial in trials if not trial.breaks and not _worse(trial, base))


def score(trial: TrialRecord, base: TrialRecord | None, limits_: Constraints) -> float:
    """How much better than the baseline a trial is: doublings of speed and of smallness in size, memory and energy,
    each of the same weight, less the share that it uses up of the loss that is allowed.
    """
    mine, theirs = point(trial), point(base) if base is not None else None
    if mine is None or trial.figures is None:
        return -math.inf
    mine, theirs = mine.rounded(), theirs.rounded() if theirs is not None else None
    allowed = max(limits_.max_metric_drop, 1e-6)
    lost = min(1.0, max(-1.0, trial.figures.quality.drop / allowed))
    if theirs is None:
        return -math.log2(max(mine.size_bytes, 1)) - math.log2(max(mine.p50, 1e-9)) - lost
    gains = [(theirs.p50, mine.p50), (theirs.size_bytes, mine.size_bytes), (theirs.memory_bytes, mine.memory_bytes)]
    gains.append((theirs.energy_mj, mine.energy_mj))
    return sum(math.log2(old / new) for old, new in gains if old > 0 and new > 0) - lost


def compared(figures: Figures, mine: Point, theirs: Point, source_bytes: int) -> str:
    """What a trial lost and won against the source: '0.30 points lost, 3.4 times smaller, 1.3 times faster'."""
    lost = f"{figures.quality.drop * 100:.2f} points lost" if figures.quality.drop > 0 else "nothing lost"
    size = times(source_bytes / max(figures.size_bytes, 1), "smaller", "larger", 0.005)
    return f"{lost}, {size}, {times(theirs.p50 / max(mine.p50, 1e-9), 'faster', 'slower')}"


def times(ratio: float, better: str, worse: str, noise: float = 0.05) -> str:
    """A ratio in words; within `noise` (of times: what two measurements of one file differ by) it is none."""
    if 1 - noise < ratio < 1 + noise:
        return f"no {better}"
    return f"{ratio:.2f} times {better}" if ratio > 1 else f"{1 / ratio:.2f} times {worse}"


def _worse(trial: TrialRecord, base: TrialRecord | None) -> str:
    """What a trial is that no recommendation may be; "" if it is neither slower nor larger than the baseline."""
    mine, theirs = point(trial), point(base) if base is not None else None
    if mine is None or theirs is None or trial is base:
        return ""
    what = "the source" if theirs.id == SOURCE_TRIAL else f"{theirs.id}, which is the source converted"
    if mine.size_bytes > theirs.size_bytes:
        return f"it is larger than {what} ({mine.size_bytes:,} against {theirs.size_bytes:,} bytes)"
    for name, one, other in (("p50", mine.p50, theirs.p50), ("p95", mine.p95, theirs.p95)):
        if one > other:
            return f"it is slower than {what} ({one / other:.3g} times at {name})"
    return ""


def _praise(best: TrialRecord, base: TrialRecord | None) -> str:
    mine, theirs = point(best), point(base) if base is not None else None
    if best.id == SOURCE_TRIAL:
        return f"{_name(best)} is recommended: nothing that was tried is as good, as fast and as small at once"
    if mine is None or theirs is None or best.figures is None or base is None:
        return f"{_name(best)} is recommended: the smallest and fastest that keeps its answers"
    if best is base:
        return f"{_name(best)} is recommended: it changes no number, and nothing that does is as fast and as small"
    said = compared(best.figures, mine, theirs, theirs.size_bytes)
    return f"{_name(best)} is recommended: {said}, measured in turns with the source ({best.figures.timing.place})"


def _rival(trial: TrialRecord, best: TrialRecord) -> str:
    """How another trial of the front differs from the best one; "" if it is ahead in memory at most."""
    mine, theirs = point(trial), point(best)
    if mine is None or theirs is None:
        return f"{_name(trial)} was weighed too"
    size = times(theirs.size_bytes / mine.size_bytes, "smaller", "larger", 0.005)
    speed = times(theirs.p50 / max(mine.p50, 1e-9), "faster", "slower")
    gain = (mine.value - theirs.value) * 100
    quality = f"{abs(gain):.2f} points {'better' if gain > 0 else 'worse'}" if abs(gain) >= 0.005 else "as good"
    if not size.endswith("times smaller") and not speed.endswith("times faster") and gain < 0.005:
        return ""
    return f"{_name(trial)} is the other choice: {size}, {speed}, {quality}"


def _unmet(
    trials: Sequence[TrialRecord], meeting: Sequence[TrialRecord], worse: dict[str, str], limits_: Constraints
) -> tuple[str, ...]:
    """Why nothing is recommended: the constraint that binds, and the nearest trials."""
    tried = [trial for trial in trials if trial.figures is not None]
    if meeting:
        reasons = ["what meets the constraints is worse than the source"]
    elif any(trial.breaks for trial in tried):
        reasons = ["no trial meets the constraints"]
    else:
        reasons = ["no recipe left what the target runs: each failed, strayed or was not tried for a reason of its own"]
    reasons += [f"{_name(trial)} is not recommended: {worse[trial.id]}" for trial in meeting]
    if (bound := limits.binding(tried, limits_)) is not None:
        limit, needed = limits.told(bound.name, bound.limit), limits.told(bound.name, bound.needed)
        reasons.append(f"{bound.name} binds: at {needed} instead of {limit}, {bound.trial} would do")
    near = sorted((trial for trial in tried if trial.breaks), key=lambda trial: _excess(trial, limits_))[:NEAREST]
    reasons += [f"near: {_name(trial)} breaks {_broken(trial, limits_)}" for trial in near]
    return tuple(reasons)


def _excess(trial: TrialRecord, limits_: Constraints) -> tuple[int, float]:
    """How far a trial is from meeting the constraints: how many it breaks, and by which factor the worst of them."""
    rows = limits.compared(trial.figures, limits_) if trial.figures is not None else []
    factors = [value / limit if limit > 0 else math.inf for name, value, limit in rows if name in trial.breaks]
    return len(trial.breaks), max(factors, default=math.inf)


def _broken(trial: TrialRecord, limits_: Constraints) -> str:
    """The constraints that a trial breaks, with what it has and what it may have."""
    if trial.figures is None:
        return "nothing"
    return " and ".join(
        f"{name} ({limits.told(name, value)}, at most {limits.told(name, limit)})"
        for name, value, limit in limits.compared(trial.figures, limits_)
        if name in trial.breaks
    )


def _name(trial: TrialRecord) -> str:
    return f"{trial.id} ({title(trial.recipe)})"
