"""Trials and studies with made-up figures, for the search's pure rules."""

from __future__ import annotations

from edgewright.contract.api import (
    Constraints,
    Figures,
    Memory,
    Metric,
    Place,
    Precision,
    Quality,
    StudyRecord,
    StudyState,
    Timing,
    TrialRecord,
    TrialState,
)

SOURCE_MS = 1.0


def timing(p95_ms: float, place: Place = Place.HUB) -> Timing:
    return Timing(p50_ms=p95_ms * 0.8, p95_ms=p95_ms, p99_ms=p95_ms * 1.2, place=place)


def trial(
    id: str,
    *,
    size: int = 1000,
    ms: float = 1.0,
    lost: float = 0.0,
    memory: int = 50_000_000,
    recipe: tuple[str, ...] = (),
    state: TrialState = TrialState.KEPT,
    precision: Precision = Precision.INT8,
    source_ms: float | None = SOURCE_MS,
    **changes,
) -> TrialRecord:
    """A trial of so many bytes and milliseconds at p95, that lost so much of the accuracy 0.9."""
    quality = Quality(metric=Metric.ACCURACY, value=0.9 - lost, low=0.85, high=0.95, rows=1000, drop=lost)
    figures = Figures(
        quality=quality, timing=timing(ms), memory=Memory(peak_bytes=memory, place=Place.HUB), size_bytes=size
    )
    return TrialRecord(
        **{
            "id": id,
            "recipe": recipe or ((f"step-{id}",) if id != "t0" else ()),
            "state": state,
            "reason": "as it came",
            "sha256": id * 32,
            "figures": figures,
            "source_timing": timing(source_ms) if source_ms is not None else None,
            "precision": Precision.FP32 if id == "t0" else precision,
        }
        | changes
    )


def study(*trials: TrialRecord, limits: Constraints | None = None, **changes) -> StudyRecord:
    """A study of these trials."""
    return StudyRecord(
        **{
            "id": "optimize-1",
            "model": "digits",
            "version": 2,
            "target": "cpu-int8",
            "state": StudyState.RUNNING,
            "constraints": limits or Constraints(max_metric_drop=0.02),
            "budget_s": 300.0,
            "started_at": 1.0,
            "trials": trials,
        }
        | changes
    )
