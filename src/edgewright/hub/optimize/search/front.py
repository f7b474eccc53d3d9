"""The front: the trials that no other beats on every count. Pure.

Counts are quality, p95, size, memory, and energy where it is known. What two measurements of one file differ by
is no difference: counts are rounded to steps of that size first. Of equals the first one stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgewright.contract.api import Place, Timing, TrialRecord, TrialState

P95_STEP, P50_STEP, MEMORY_STEP, SIZE_STEP = 1.10, 1.05, 1.03, 1.01
QUALITY_STEP = 0.001


@dataclass(frozen=True)
class Point:
    """What a trial is worth and costs. `p95` and `p50` are shares of the source's own, measured in the same turns."""

    id: str
    value: float
    p95: float
    p50: float
    size_bytes: int
    memory_bytes: int
    rows: int
    energy_mj: float = 0.0  # 0 where it was not measured: an estimate is but power by time

    def rounded(self) -> Point:
        """With every cost at the middle of its step, so that noise decides nothing."""
        return replace(
            self,
            p95=_middle(self.p95, P95_STEP),
            p50=_middle(self.p50, P50_STEP),
            memory_bytes=round(_middle(self.memory_bytes, MEMORY_STEP)),
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """Rounded, the lower the better."""
        return (
            -round(self.value / max(QUALITY_STEP, 1.0 / max(self.rows, 1))),
            _steps(self.p95, P95_STEP),
            _steps(self.size_bytes, SIZE_STEP),
            _steps(self.memory_bytes, MEMORY_STEP),
            _steps(self.energy_mj, P50_STEP),
        )


def point(trial: TrialRecord) -> Point | None:
    """A trial that was kept, as a point; None for others."""
    if trial.state is not TrialState.KEPT or trial.figures is None:
        return None
    figures = trial.figures
    p50, p95 = shares(trial, figures.timing)
    return Point(
        id=trial.id,
        value=figures.quality.value,
        p95=p95,
        p50=p50,
        size_bytes=figures.size_bytes,
        memory_bytes=figures.memory.peak_bytes,
        rows=figures.quality.rows,
        energy_mj=figures.energy.mj
        if figures.energy is not None and figures.energy.place is not Place.ESTIMATE
        else 0.0,
    )


def shares(trial: TrialRecord, timing: Timing) -> tuple[float, float]:
    """The p50 and p95 of a trial as shares of the source's at the same place. Where no place timed both, they are taken
    as they are, in milliseconds: that is so for all trials of a target whose hardware runs no source as it is.
    """
    source = trial.source_timing
    for mine in (timing, *trial.elsewhere):
        if source is not None and mine.place is source.place:
            return mine.p50_ms / max(source.p50_ms, 1e-9), mine.p95_ms / max(source.p95_ms, 1e-9)
    return timing.p50_ms, timing.p95_ms


def front(points: Sequence[Point]) -> frozenset[str]:
    """The ids of the points that no other dominates."""
    return frozenset(point.id for at, point in enumerate(points) if dominator(point, at, points) is None)


def dominator(point: Point, at: int, points: Sequence[Point]) -> Point | None:
    """A point that is as good as `point` (which has place `at` among them) on every count and better on one, or equal
    and earlier; None if there is none.
    """
    mine = point.counts
    for place, other in enumerate(points):
        theirs = other.counts
        if place != at and all(t <= m for t, m in zip(theirs, mine, strict=True)) and (theirs != mine or place < at):
            return other
    return None


def _middle(amount: float, ratio: float) -> float:
    return ratio ** _steps(amount, ratio) if amount > 0 else amount


def _steps(amount: float, ratio: float) -> int:
    """How many steps of that ratio an amount is; 0 for none."""
    return round(math.log(amount) / math.log(ratio)) if amount > 0 else 0
