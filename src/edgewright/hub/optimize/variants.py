"""From a study's trial to the version's variant. Pure."""

from __future__ import annotations

from edgewright.contract.api import StudyRecord, TrialRecord, VariantRecord, VersionRecord
from edgewright.contract.errors import InvalidInput


def variant_of(study: StudyRecord, trial: TrialRecord, version: VersionRecord, now: float) -> VariantRecord:
    """What packages of that version for that target are made of; `trial` was kept, so it has figures."""
    figures = trial.figures
    assert figures is not None  # noqa: S101 (it is on the front)
    return VariantRecord(
        model=study.model,
        version=study.version,
        target=study.target,
        recipe=trial.recipe,
        sha256=trial.sha256,
        size_bytes=figures.size_bytes,
        source_bytes=version.source_bytes,
        accuracy=figures.quality.value,
        source_accuracy=figures.quality.value + figures.quality.drop,
        latency_p50_ms=figures.timing.p50_ms,
        latency_p95_ms=figures.timing.p95_ms,
        memory_bytes=figures.memory.peak_bytes,
        parity=trial.parity,
        is_parity_kept=True,
        reasons=(*trial.reasons, *study.reasons),
        tools=trial.tools,
        golden_sha256=trial.golden_sha256,
        created_at=now,
        quantisation=trial.quantisation,
        format=trial.format,
        study=study.id,
        trial=trial.id,
        latency_place=figures.timing.place,
        memory_place=figures.memory.place,
        precision=trial.precision,
    )


def trial_on_front(study: StudyRecord, wanted: str) -> TrialRecord:
    """The trial of that id; raises InvalidInput, which names the front, where it is not on it."""
    front = {trial.id: trial for trial in study.trials if trial.is_on_front}
    if wanted not in front:
        hint = f"On its front are {', '.join(front)}." if front else "Nothing is on its front yet."
        raise InvalidInput(f"'{wanted[:40]}' is not on the front of {study.id}", field="trial", hint=hint)
    return front[wanted]
