"""Studies on the terminal: their trials as they end, the front with its chart, and the reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from edgewright.cli.chart import Point, scatter
from edgewright.cli.formats import ago, counted, duration, share, size, words
from edgewright.cli.output import Column, refuse, say, show_facts, show_json, show_table
from edgewright.cli.verbs.trials import (
    FIGURE_COLUMNS,
    PLACES,
    TRIAL_FACTS,
    against,
    decimal,
    milliseconds,
    recipe,
    trial_line,
    verdict,
)

if TYPE_CHECKING:
    from edgewright.cli.progress import RunProgress
    from edgewright.client import Client
    from edgewright.contract.api import Constraints, Figures, RunRecord, StudyRecord, TrialRecord

    Measure = Callable[[Figures], float]

MARKS_TOLD = "* recommended   = what releases take"
REASONS_TOLD = 2


class Followed:
    """Hears of runs, shows them, and tells each trial of their studies once it has ended."""

    def __init__(self, client: Client, model: str, version: int, progress: RunProgress) -> None:
        self._client = client
        self._where = (model, version)
        self._progress = progress
        self._seen: dict[str, RunRecord] = {}
        self._told: set[tuple[str, str]] = set()

    def __call__(self, runs: tuple[RunRecord, ...]) -> None:
        self._progress(runs)
        for run in runs:
            if self._seen.get(run.id) != run and run.state != "queued":
                self._tell(self._study(run))
            self._seen[run.id] = run

    def studies(self, runs: Sequence[RunRecord]) -> tuple[StudyRecord, ...]:
        """The studies of these runs as they are now."""
        return tuple(self._study(run) for run in runs)

    def _study(self, run: RunRecord) -> StudyRecord:
        return self._client.study(*self._where, run.subject.rpartition("/")[2])

    def _tell(self, study: StudyRecord) -> None:
        for trial in study.trials:
            if (study.id, trial.id) not in self._told:
                self._told.add((study.id, trial.id))
                self._progress.say(f"{study.target} {trial_line(trial)}")


def show_pareto(study: StudyRecord, by: str, *, as_json: bool) -> None:
    """The front as a chart and a table, then the rest, and where each figure comes from."""
    if as_json:
        show_json(study)
        return
    show_facts(study, HEAD, as_json=False)
    measured = [trial for trial in study.trials if trial.figures is not None]
    front = [trial for trial in measured if trial.is_on_front]
    typer.echo("\n".join(["", *chart([trial for trial in measured if trial.state == "kept"], by), ""]))
    show_table(front, _front_columns(study), as_json=False, empty="Nothing is on the front yet.")
    rest = [trial for trial in study.trials if not trial.is_on_front and trial.state != "skipped"]
    if rest:
        typer.echo("")
        show_table(rest, REST_COLUMNS, as_json=False, empty="")
    typer.echo("")
    show_facts(measured, PLACES, as_json=False)
    if front:
        say(MARKS_TOLD)
    if left_out := sum(trial.state == "skipped" for trial in study.trials):
        say(f"{counted(left_out, 'more recipe')} not tried, for reasons that `edgewright optimize explain` tells")


def chart(trials: Sequence[TrialRecord], by: str) -> list[str]:
    """Quality upwards, a cost across: trials of the front by name, others as dots."""
    measure, written = AXES[by]
    ordered = sorted(trials, key=lambda trial: trial.is_on_front)
    points = [
        Point(trial.id if trial.is_on_front else "·", measure(trial.figures), trial.figures.quality.value)
        for trial in ordered
        if trial.figures is not None
    ]
    if len(points) < 2:
        return []
    metric = next(trial.figures.quality.metric for trial in trials if trial.figures is not None)
    upwards = share if metric == "accuracy" else decimal
    return [f"{metric} against {TITLES[by]}", *scatter(points, written, upwards)]


def show_study(study: StudyRecord, *, as_json: bool) -> None:
    """Why the recommended trial is, and why each of the others is not."""
    if as_json:
        show_json(study)
        return
    show_facts(study, [*HEAD, *STUDY_FACTS], as_json=False)
    typer.echo("")
    show_table(study.trials, _why_columns(study), as_json=False, empty="No trial has ended yet.")
    if any(trial.state == "kept" and not trial.is_on_front for trial in study.trials):
        say("kept, and not on the front: one of the front is as good in everything, and better in something")
    for reason in study.reasons:
        say(reason)


def show_trial(study: StudyRecord, trial: TrialRecord, *, as_json: bool) -> None:
    """All about one trial."""
    if as_json:
        show_json(trial)
        return
    show_facts(trial, [*TRIAL_FACTS, ("against t0", lambda one: against(study, one))], as_json=False)


def trial_of(study: StudyRecord, id: str) -> TrialRecord:
    """The trial of that id; raises UsageError, which names those that there are."""
    from edgewright.contract.errors import UsageError

    found = next((trial for trial in study.trials if trial.id == id), None)
    if found is None:
        known = words(trial.id for trial in study.trials)
        raise UsageError(f"this study has no trial {id!r}", field="trial", hint=f"Its trials: {known or 'none yet'}.")
    return found


def refuse_unmet(studies: Sequence[StudyRecord]) -> None:
    """End with exit code 1 where nothing meets the constraints of a study, in its own words."""
    for study in studies:
        if study.state == "unmet":
            told = "; ".join(study.reasons[:REASONS_TOLD]) or "no variant meets its constraints"
            hint = f"edgewright optimize explain {study.model}@{study.version} --target {study.target}"
            refuse(f"{study.target}: {told}", field="constraints", hint=hint)


def study_columns(now: float) -> list[Column[StudyRecord]]:
    """Of a list of studies."""
    return [
        ("TARGET", lambda one: one.target),
        ("STATE", lambda one: one.state),
        ("TRIALS>", lambda one: str(len(one.trials))),
        ("FRONT>", lambda one: str(sum(trial.is_on_front for trial in one.trials))),
        ("ADVISED", lambda one: one.recommended),
        ("CHOSEN", lambda one: one.chosen),
        ("STARTED", lambda one: ago(one.started_at, now)),
        ("STUDY", lambda one: one.id),
    ]


def limits(constraints: Constraints) -> str:
    """What a variant may cost, in words."""
    told = [f"a drop of at most {constraints.max_metric_drop:.2%}"]
    told += [f"p95 of at most {milliseconds(constraints.latency_p95_ms)}"] if constraints.latency_p95_ms else []
    told += [f"at most {size(constraints.size_bytes)}"] if constraints.size_bytes else []
    told += [f"at most {size(constraints.ram_bytes)} of memory"] if constraints.ram_bytes else []
    told += [f"at most {constraints.energy_mj:g} mJ"] if constraints.energy_mj else []
    return "\n".join(told)


def _front_columns(study: StudyRecord) -> list[Column[TrialRecord]]:
    def marked(trial: TrialRecord) -> str:
        marks = ("*" if trial.id == study.recommended else "") + ("=" if trial.id == study.chosen else "")
        return f"{trial.id} {marks}".rstrip()

    return [("FRONT", marked), *FIGURE_COLUMNS, ("RECIPE", recipe)]


def _why_columns(study: StudyRecord) -> list[Column[TrialRecord]]:
    return [
        ("TRIAL", lambda one: one.id),
        ("STATE", lambda one: "front" if one.is_on_front else one.state),
        ("RECIPE", recipe),
        ("WHY", lambda one: verdict(study, one)),
    ]


AXES: dict[str, tuple[Measure, Callable[[float], str]]] = {
    "p95": (lambda one: one.timing.p95_ms, milliseconds),
    "size": (lambda one: float(one.size_bytes), lambda value: size(round(value))),
    "memory": (lambda one: float(one.memory.peak_bytes), lambda value: size(round(value))),
}
TITLES = {"p95": "p95 latency of a row", "size": "size on disk", "memory": "peak memory"}

HEAD: list[Column[StudyRecord]] = [
    (
        "study",
        lambda one: f"{one.model}@{one.version} on {one.target}: {one.state}, {counted(len(one.trials), 'trial')}",
    ),
]

STUDY_FACTS: list[Column[StudyRecord]] = [
    ("limits", lambda one: limits(one.constraints)),
    ("budget", lambda one: duration(one.budget_s)),
    ("took", lambda one: duration(one.ended_at - one.started_at) if one.ended_at else "it is running"),
    ("recommended", lambda one: one.recommended),
    ("chosen", lambda one: one.chosen),
]

REST_COLUMNS: list[Column[TrialRecord]] = [
    ("REST", lambda one: one.id),
    ("STATE", lambda one: one.state),
    *FIGURE_COLUMNS[:3],
    ("RECIPE", recipe),
]
