"""Measures variants against their source: fresh processes, taking turns, on the hold-out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgewright.contract.api import Figures, Target
from edgewright.contract.errors import InvalidInput
from edgewright.hub.children import StepFailed, ask
from edgewright.hub.optimize.measuring import figures
from edgewright.hub.optimize.measuring.model import (
    JudgeAnswer,
    Judged,
    JudgeQuestion,
    Measurement,
    Rows,
    RunAnswer,
    RunQuestion,
    Subject,
    Verdict,
)

RUN_TIMEOUT_S = 180.0
JUDGE_TIMEOUT_S = 300.0

Progress = Callable[[int, int], None]
Cancelling = Callable[[], bool]
Runs = dict[str, list[RunAnswer]]


def measure_all(
    source: Subject,
    subjects: Sequence[Subject],
    rows: Rows,
    goal: Target,
    folder: Path,
    *,
    parent: Path | None = None,
    progress: Progress = lambda done, total: None,
    is_cancelled: Cancelling | None = None,
) -> tuple[Measurement, ...]:
    """Measure `source` and all `subjects` for a target, in two rounds of opposite order, writing into `folder`.

    Each run is a fresh process. Latencies are those of the quieter round, memory is the greater of both. The source's
    measurement comes first. A subject that crashes, hangs, cannot be run or answers in other shapes has a `failure`,
    and the others go on; for the source that raises StepFailed, or InvalidInput where it refuses the rows. `parent` is
    the file that devices of this target run now. `progress` gets (done, total) before each child; what it raises ends
    the measuring. Once `is_cancelled` says so, the child that runs is ended, and Cancelled is raised.
    """
    every = (source, *subjects)
    total = 2 * len(every) + 1
    runs: Runs = {each.id: [] for each in every}
    failures: dict[str, str] = {}
    for done, subject in enumerate((*every, *reversed(every))):
        progress(done, total)
        if subject.id not in failures:
            _run_in_turn(subject, source, rows, goal, folder, runs, failures, is_cancelled)
    progress(total - 1, total)
    whole = [each for each in every if each.id not in failures]
    verdicts = {each.id: each for each in _judge(whole, rows, goal, folder, parent, is_cancelled)}
    return tuple(
        Measurement(id=each.id, failure=failures[each.id])
        if each.id in failures
        else _measurement(goal, each, runs[each.id], runs[source.id], verdicts[each.id], folder)
        for each in every
    )


def _run_in_turn(
    subject: Subject,
    source: Subject,
    rows: Rows,
    goal: Target,
    folder: Path,
    runs: Runs,
    failures: dict[str, str],
    is_cancelled: Cancelling | None,
) -> None:
    """Run a subject once and note what came of it; the first time it leaves its answers too."""
    asked = RunQuestion(model=subject.runnable, engines=figures.engines(goal, subject.format), rows=rows)
    if not runs[subject.id]:
        outputs, answered = _answers(folder, subject)
        asked = msgspec.structs.replace(asked, outputs=str(outputs), golden=str(answered))
    module = "edgewright.hub.optimize.measuring.measurer"
    try:
        answer = ask(
            module,
            asked,
            RunAnswer,
            name=f"measuring {subject.id}",
            folder=folder,
            timeout_s=RUN_TIMEOUT_S,
            is_cancelled=is_cancelled,
        )
        runs[subject.id].append(answer)
    except (StepFailed, InvalidInput) as error:
        if subject is source:
            raise
        failures[subject.id] = error.message


def _judge(
    whole: Sequence[Subject],
    rows: Rows,
    goal: Target,
    folder: Path,
    parent: Path | None,
    is_cancelled: Cancelling | None,
) -> tuple[Verdict, ...]:
    asked = JudgeQuestion(
        subjects=tuple(
            Judged(
                id=each.id,
                model=each.model,
                precision=each.precision,
                outputs=str(_answers(folder, each)[0]),
                answered=str(_answers(folder, each)[1]),
                golden=str(_golden(folder, each)),
            )
            for each in whole
        ),
        rows=rows,
        max_drop=goal.constraints.max_metric_drop,
        parent=str(parent or ""),
    )
    module = "edgewright.hub.optimize.measuring.judger"
    name = "judging the answers"
    answer = ask(
        module,
        asked,
        JudgeAnswer,
        name=name,
        folder=folder,
        timeout_s=JUDGE_TIMEOUT_S,
        is_cancelled=is_cancelled,
    )
    return answer.verdicts


def _measurement(
    goal: Target,
    subject: Subject,
    rounds: Sequence[RunAnswer],
    source: Sequence[RunAnswer],
    verdict: Verdict,
    folder: Path,
) -> Measurement:
    if verdict.quality is None:
        return Measurement(id=subject.id, failure=verdict.failure)
    ran = figures.quietest(rounds)
    taken = figures.timing(goal, subject, ran, figures.quietest(source))
    return Measurement(
        id=subject.id,
        figures=Figures(
            quality=verdict.quality,
            timing=taken,
            memory=figures.memory(goal, subject, ran),
            size_bytes=Path(subject.model).stat().st_size,
            delta_bytes=verdict.delta_bytes,
            energy=figures.energy(goal, taken),
        ),
        parity=verdict.parity,
        golden=str(_golden(folder, subject)),
        reasons=(f"measured on {figures.where(goal, ran.engine)}",),
    )


def _answers(folder: Path, subject: Subject) -> tuple[Path, Path]:
    """Where a subject's answers lie: to all rows, and to the golden ones."""
    return folder / f"{subject.id}.npz", folder / f"{subject.id}.golden.npz"


def _golden(folder: Path, subject: Subject) -> Path:
    return folder / f"{subject.id}.safetensors"
