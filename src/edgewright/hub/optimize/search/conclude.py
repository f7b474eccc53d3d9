"""From trials to a study's end: what each breaks, which are on the front, which is recommended. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgewright.contract.api import SOURCE_TRIAL, Memory, ModelFormat, StudyRecord, StudyState, Timing, TrialRecord
from edgewright.hub.optimize.search.front import front, point
from edgewright.hub.optimize.search.limits import breaks
from edgewright.hub.optimize.search.recommend import advise, baseline, takable

OnDevices = Callable[[str], tuple[Timing, Memory] | None]
"""What enrolled devices of the target measured of a file, by its digest; None where none did."""


def conclude(study: StudyRecord, format: ModelFormat) -> StudyRecord:
    """The study with front, breaks and recommendation; `format` is what its target runs.

    Within noise, what may be recommended can lose against what may not: of itself alone it has its front, too.
    """
    weighed = tuple(_weighed(trial, study, format) for trial in study.trials)
    base = baseline(weighed, format)
    fit = [found for trial in weighed if trial.format is format and (found := point(trial)) is not None]
    able = takable(weighed, base)
    best = front(fit) | front([found for found in fit if found.id in able])
    trials = tuple(msgspec.structs.replace(trial, is_on_front=trial.id in best) for trial in weighed)
    advice = advise(trials, baseline(trials, format), study.constraints)
    trials = tuple(
        msgspec.structs.replace(trial, is_on_front=True) if trial.id == advice.trial else trial for trial in trials
    )
    return msgspec.structs.replace(
        study,
        trials=trials,
        recommended=advice.trial,
        reasons=(*advice.reasons, *study.reasons),
        state=StudyState.DONE if advice.is_met else StudyState.UNMET,
    )


def reconsider(found: StudyRecord, study: StudyRecord, format: ModelFormat) -> StudyRecord:
    """Conclude `found`, which is `study` with other figures: the first conclusion's reasons give way to new ones."""
    former = conclude(msgspec.structs.replace(study, reasons=()), format).reasons
    lasting = tuple(reason for reason in study.reasons if reason not in former)
    return conclude(msgspec.structs.replace(found, reasons=lasting), format)


def on_devices(study: StudyRecord, of: OnDevices) -> StudyRecord:
    """The study with the figures of devices where there are any: they are believed before the hub's own.

    Speed against the source is told by devices where they measured both, else by the turns that both took on the hub.
    """
    if not any(trial.sha256 and trial.figures is not None and of(trial.sha256) for trial in study.trials):
        return study
    source = next((trial for trial in study.trials if trial.id == SOURCE_TRIAL), None)
    known = of(source.sha256) if source is not None and source.sha256 else None
    return msgspec.structs.replace(study, trials=tuple(_on_device(trial, of, known) for trial in study.trials))


def _weighed(trial: TrialRecord, study: StudyRecord, format: ModelFormat) -> TrialRecord:
    if trial.figures is None or trial.format is not format:
        return trial
    return msgspec.structs.replace(trial, breaks=breaks(trial.figures, study.constraints))


def _on_device(trial: TrialRecord, of: OnDevices, source: tuple[Timing, Memory] | None) -> TrialRecord:
    found = of(trial.sha256) if trial.figures is not None and trial.sha256 else None
    if found is None or trial.figures is None:
        return trial
    timing, memory = found
    figures = msgspec.structs.replace(trial.figures, timing=timing, memory=memory)
    return msgspec.structs.replace(
        trial,
        figures=figures,
        elsewhere=(trial.figures.timing,),
        source_timing=source[0] if source is not None else trial.source_timing,
    )
