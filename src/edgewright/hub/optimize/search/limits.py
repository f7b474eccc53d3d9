"""Constraints: the target's own or the draft's, which of them a trial breaks, and which one binds. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import Constraints, Figures, StudyDraft, TrialRecord
from edgewright.contract.errors import InvalidInput

OVERRIDES = ("max_metric_drop", "latency_p95_ms", "size_bytes", "ram_bytes", "energy_mj")
HALF_A_ROW = 1e-9


@dataclass(frozen=True)
class Binding:
    """The constraint whose loosening alone, from `limit` to `needed`, would let `trial` in."""

    name: str
    limit: float
    needed: float
    trial: str

    @property
    def factor(self) -> float:
        """How much it would have to give, relative to itself."""
        return self.needed / self.limit if self.limit > 0 else math.inf


def check_draft(draft: StudyDraft) -> None:
    """Raise InvalidInput, naming the field, for numbers that make no sense."""
    for name in OVERRIDES:
        value = getattr(draft, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InvalidInput(f"{name} is {value}; it is a number from 0 on", field=name)
    if not (math.isfinite(draft.budget_s) and draft.budget_s > 0):
        raise InvalidInput(f"budget_s is {draft.budget_s}; it is a number above 0", field="budget_s")


def constraints_of(own: Constraints, draft: StudyDraft) -> Constraints:
    """The target's constraints, overridden by the draft's."""
    wished = {name: value for name in OVERRIDES if (value := getattr(draft, name)) is not None}
    return msgspec.structs.replace(own, **wished)


def breaks(figures: Figures, limits: Constraints) -> tuple[str, ...]:
    """The names of the constraints that these figures do not meet."""
    return tuple(name for name, value, limit in compared(figures, limits) if value > limit + HALF_A_ROW)


def binding(trials: Sequence[TrialRecord], limits: Constraints) -> Binding | None:
    """Of trials that break one constraint alone, the one that would have to give least; None if all break several."""
    found = [
        Binding(name, limit, value, trial.id)
        for trial in trials
        if trial.figures is not None and len(trial.breaks) == 1
        for name, value, limit in compared(trial.figures, limits)
        if name == trial.breaks[0]
    ]
    return min(found, key=lambda one: (one.factor, one.needed), default=None)


def told(name: str, value: float) -> str:
    """A constraint's value in the unit that people read."""
    match name:
        case "max_metric_drop":
            return f"{value * 100:.2f} points"
        case "latency_p95_ms":
            return f"{value:.4g} ms"
        case "energy_mj":
            return f"{value:.4g} mJ"
        case _:
            return f"{value:,.0f} bytes"


def compared(figures: Figures, limits: Constraints) -> list[tuple[str, float, float]]:
    """Name, value and limit of each constraint that is set and whose count is known."""
    rows = [("max_metric_drop", figures.quality.drop, limits.max_metric_drop)]
    rows += [
        (name, value, limit)
        for name, value, limit in (
            ("latency_p95_ms", figures.timing.p95_ms, limits.latency_p95_ms),
            ("size_bytes", figures.size_bytes, limits.size_bytes),
            ("ram_bytes", figures.memory.peak_bytes, limits.ram_bytes),
            ("energy_mj", figures.energy.mj if figures.energy is not None else 0.0, limits.energy_mj),
        )
        if limit > 0
    ]
    return rows
