"""What became of each recipe, as the record that people see. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.contract.api import SOURCE_TRIAL, ModelFormat, TrialRecord, TrialState
from edgewright.hub.optimize.measuring import Measurement
from edgewright.hub.optimize.model import Made, Precision
from edgewright.hub.optimize.search.candidates import Candidate, Skipped
from edgewright.hub.optimize.search.front import point
from edgewright.hub.optimize.search.recipe import title
from edgewright.hub.optimize.search.recommend import compared


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe once it was made, or not: `state` is KEPT until it is measured, and `reason` says why it is not."""

    id: str
    candidate: Candidate
    precision: Precision = Precision.FP32
    made: Made | None = None
    state: TrialState = TrialState.KEPT
    reason: str = ""
    seconds: float = 0.0


def source_trial(
    measured: Measurement, sha256: str, format: ModelFormat, precision: Precision, seconds: float
) -> TrialRecord:
    """The source itself: what every trial is held against."""
    return TrialRecord(
        id=SOURCE_TRIAL,
        recipe=(),
        state=TrialState.KEPT,
        reason="the source itself",
        sha256=sha256,
        format=format,
        precision=precision,
        figures=measured.figures,
        source_timing=measured.figures.timing if measured.figures is not None else None,
        golden_sha256=measured.golden,
        seconds=seconds,
    )


def unmeasured(tried: Try) -> TrialRecord:
    """A trial that was skipped, or failed before there was anything to measure."""
    return TrialRecord(
        id=tried.id,
        recipe=tried.candidate.recipe,
        state=tried.state,
        reason=tried.reason,
        sha256=tried.made.sha256 if tried.made is not None else "",
        precision=tried.precision,
        seconds=tried.seconds,
    )


def measured_trial(tried: Try, made: Made, measured: Measurement, source: Measurement, seconds: float) -> TrialRecord:
    """A trial with its figures, or with the failure of its measurement; `seconds` is what measuring it took."""
    parity = measured.parity
    base = msgspec.structs.replace(
        unmeasured(tried),
        format=made.format,
        tools=made.tools,
        quantisation=made.quantisation,
        is_cached=made.is_cached,
    )
    if measured.figures is None or parity is None or source.figures is None:
        return msgspec.structs.replace(base, state=TrialState.FAILED, reason=measured.failure)
    trial = msgspec.structs.replace(
        base,
        state=TrialState.KEPT if parity.is_kept else TrialState.STRAYED,
        reason=parity.reason,
        figures=measured.figures,
        source_timing=source.figures.timing,
        golden_sha256=measured.golden,
        parity=parity.value,
        seconds=tried.seconds + seconds,
    )
    said = (tried.candidate.why, *made.notes, parity.reason, *measured.reasons, weighed(trial, source))
    return msgspec.structs.replace(trial, reasons=tuple(line for line in said if line))


def skipped_trials(skipped: Sequence[Skipped], first: int) -> tuple[TrialRecord, ...]:
    """Recipes that were not tried, numbered from `first` on."""
    return tuple(
        TrialRecord(id=f"t{number}", recipe=one.recipe, state=TrialState.SKIPPED, reason=f"not tried: {one.why}")
        for number, one in enumerate(skipped, first)
    )


def weighed(trial: TrialRecord, source: Measurement) -> str:
    """What a trial lost and won against the source, in words; "" where it has no figures."""
    if trial.figures is None or source.figures is None:
        return ""
    mine = point(msgspec.structs.replace(trial, state=TrialState.KEPT))
    theirs = point(source_trial(source, "", trial.format, Precision.FP32, 0.0))
    if mine is None or theirs is None:
        return ""
    return compared(trial.figures, mine, theirs, source.figures.size_bytes)


def line(trial: TrialRecord, words: str = "") -> str:
    """A trial in one line of a log."""
    told = {TrialState.KEPT: words, TrialState.STRAYED: f"{words}; strayed: {trial.reason}"}
    return f"{trial.id} {title(trial.recipe)}: {told.get(trial.state) or trial.reason}\n"
