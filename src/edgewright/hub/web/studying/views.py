"""What the page of studies shows, prepared for its templates: pure functions from records to words and shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.contract.api import (
    SOURCE_TRIAL,
    Constraints,
    Figures,
    Metric,
    StudyRecord,
    StudyState,
    Timing,
    TrialRecord,
    TrialState,
    VersionRecord,
)
from edgewright.hub.web.studying.plot import Dot, Plot, axis_across, axis_upwards, plot
from edgewright.hub.web.views import Moment, moment
from edgewright.hub.web.wording import duration, size


@dataclass(frozen=True)
class Cell:
    """A figure in the table, and where it was measured."""

    value: str
    place: str
    where: str


@dataclass(frozen=True)
class TrialRow:
    """One trial. `facts` are what its details tell, by name."""

    record: TrialRecord
    recipe: str
    state: str
    is_recommended: bool
    is_chosen: bool
    why: str
    cells: tuple[Cell, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StudyView:
    """A version's newest study on a target; `earlier` counts those before."""

    record: StudyRecord
    started: Moment
    took: str
    budget: str
    limits: str
    rows: tuple[TrialRow, ...]
    skipped: tuple[TrialRecord, ...]
    plots: tuple[Plot, ...]
    undrawn: int  # trials that were measured and strayed too far to stand on the charts
    earlier: int


@dataclass(frozen=True)
class StudiesView:
    """A version and its studies."""

    version: VersionRecord
    name: str
    path: str
    studies: tuple[StudyView, ...]
    sentence: str


def studies_view(version: VersionRecord, records: Sequence[StudyRecord], now: float) -> StudiesView:
    """The newest study on each target, with how many there were; `records` are the newest first."""
    newest: dict[str, StudyRecord] = {}
    for record in records:
        newest.setdefault(record.target, record)
    shown = sorted(newest.values(), key=lambda record: record.target)
    counts = {name: sum(record.target == name for record in records) for name in newest}
    return StudiesView(
        version=version,
        name=f"{version.model}@{version.version}",
        path=f"/models/{version.model}/{version.version}/optimize",
        studies=tuple(_study(record, counts[record.target] - 1, now) for record in shown),
        sentence="; ".join(f"{record.target}: {record.state}, {len(record.trials)} trials" for record in shown),
    )


def quality(value: float, metric: Metric) -> str:
    """A metric as people read it: accuracies in per cent."""
    return f"{value:.1%}" if metric is Metric.ACCURACY else f"{value:.4f}"


def milliseconds(value: float) -> str:
    """A latency with three digits."""
    return f"{value:.3g} ms"


def limits(constraints: Constraints) -> str:
    """What a variant may cost, in words."""
    told = [f"a drop of at most {constraints.max_metric_drop:.2%}"]
    told += [f"p95 {milliseconds(constraints.latency_p95_ms)}"] if constraints.latency_p95_ms else []
    told += [f"{size(constraints.size_bytes)} on disk"] if constraints.size_bytes else []
    told += [f"{size(constraints.ram_bytes)} of memory"] if constraints.ram_bytes else []
    told += [f"{constraints.energy_mj:g} mJ"] if constraints.energy_mj else []
    return ", ".join(told)


def _study(record: StudyRecord, earlier: int, now: float) -> StudyView:
    tried = [trial for trial in record.trials if trial.state is not TrialState.SKIPPED]
    ranked = sorted(tried, key=lambda trial: (trial.id != record.recommended, not trial.is_on_front))
    strayed = [trial for trial in record.trials if trial.figures is not None and trial.state is not TrialState.KEPT]
    return StudyView(
        record=record,
        started=moment(record.started_at, now),
        took=duration((record.ended_at or now) - record.started_at),
        budget=duration(record.budget_s),
        limits=limits(record.constraints),
        rows=tuple(_row(record, trial) for trial in ranked),
        skipped=tuple(trial for trial in record.trials if trial.state is TrialState.SKIPPED),
        plots=_plots(record),
        undrawn=len(strayed),
        earlier=earlier,
    )


def _row(study: StudyRecord, trial: TrialRecord) -> TrialRow:
    return TrialRow(
        record=trial,
        recipe=" → ".join(trial.recipe) or "the source itself",
        state="front" if trial.is_on_front else trial.state.value,
        is_recommended=trial.id == study.recommended,
        is_chosen=trial.id == study.chosen,
        why=_verdict(study, trial),
        cells=_cells(trial.figures) if trial.figures is not None else (),
        facts=tuple((name, value) for name, value in _facts(study, trial) if value),
    )


def _verdict(study: StudyRecord, trial: TrialRecord) -> str:
    """What it gained against the source where it was kept, else why it was not."""
    if trial.state is not TrialState.KEPT or trial.figures is None:
        return trial.reason
    broken = f"breaks {', '.join(trial.breaks)}; " if trial.breaks else ""
    if trial.id == SOURCE_TRIAL:
        return f"{broken}{trial.reason}"
    drop = trial.figures.quality.drop
    lost = f"{100 * drop:.2f} points lost" if drop > 0 else "nothing lost"
    return f"{broken}{lost}, {_against(study, trial)}".removesuffix(", ")


def _cells(figures: Figures) -> tuple[Cell, ...]:
    told, timing, memory = figures.quality, figures.timing, figures.memory
    ends = f"{quality(told.low, told.metric)} to {quality(told.high, told.metric)}"
    return (
        Cell(quality(told.value, told.metric), ends, f"95 % interval on {told.rows} rows"),
        Cell(milliseconds(timing.p95_ms), timing.place, timing.where),
        Cell(size(figures.size_bytes), "", ""),
        Cell(size(memory.peak_bytes), memory.place, memory.where),
    )


def _facts(study: StudyRecord, trial: TrialRecord) -> list[tuple[str, str]]:
    """What is told of a trial beyond the table."""
    return [
        *_measured(study, trial),
        ("Tools", ", ".join(f"{name} {version}" for name, version in trial.tools.items())),
        ("File", f"{trial.sha256[:12]} ({trial.format})" if trial.sha256 else ""),
        ("Took", f"{duration(trial.seconds)}{', from the cache' if trial.is_cached else ''}"),
    ]


def _measured(study: StudyRecord, trial: TrialRecord) -> list[tuple[str, str]]:
    figures = trial.figures
    if figures is None:
        return []
    told, energy = figures.quality, figures.energy
    return [
        ("Parity", trial.reason if trial.id != SOURCE_TRIAL else ""),
        ("Drop", f"{told.drop:.2%}, at most {told.drop_high:.2%}" if trial.id != SOURCE_TRIAL else ""),
        ("Groups", ", ".join(f"{name} {quality(value, told.metric)}" for name, value in told.groups.items())),
        ("Latency", "; ".join(map(_timing, (figures.timing, *trial.elsewhere)))),
        ("Energy", f"{energy.mj:.3g} mJ, {energy.place} {energy.where}".rstrip() if energy else ""),
        ("As a delta", size(figures.delta_bytes) if figures.delta_bytes is not None else ""),
    ]


def _timing(timing: Timing) -> str:
    told = " / ".join(milliseconds(value) for value in (timing.p50_ms, timing.p95_ms, timing.p99_ms))
    return f"{told} (p50 / p95 / p99), {_place(timing)}"


def _place(timing: Timing) -> str:
    """`where` may begin with the place itself."""
    where = timing.where.startswith(timing.place)
    return timing.where if where else f"{timing.place}, {timing.where}".removesuffix(", ")


def _against(study: StudyRecord, trial: TrialRecord) -> str:
    if (gains := study.gains(trial)) is None:
        return ""
    smaller, faster = gains
    return f"{smaller:.2f} times smaller, {faster:.2f} times as fast"


def _plots(study: StudyRecord) -> tuple[Plot, ...]:
    """Latency and size against quality, where there are two trials or more to compare."""
    drawn = [(one, one.figures) for one in study.trials if one.figures is not None and one.state is TrialState.KEPT]
    if len(drawn) < 2:
        return ()
    metric = drawn[0][1].quality.metric
    upwards = axis_upwards([figures.quality.value for _, figures in drawn], lambda value: quality(value, metric))
    source = next((figures.quality.value for trial, figures in drawn if trial.id == SOURCE_TRIAL), 0.0)
    least = source - study.constraints.max_metric_drop
    found = []
    for title, of, write, most in _costs(study.constraints):
        dots = [_dot(study, trial, of(figures), figures.quality.value) for trial, figures in drawn]
        label = f"{metric.capitalize()} against {title}, {study.target}: {_sentence(study, dots)}"
        across = axis_across([dot.across for dot in dots], write)
        found.append(plot(f"{metric.capitalize()} against {title}", label, dots, across, upwards, most, least))
    return tuple(found)


def _costs(
    most: Constraints,
) -> tuple[tuple[str, Callable[[Figures], float], Callable[[float], str], float], ...]:
    """What charts have across: a title, the figure, how it is written, and its limit."""
    return (
        ("p95 latency of a row", lambda one: one.timing.p95_ms, milliseconds, most.latency_p95_ms),
        ("size on disk", lambda one: one.size_bytes, lambda value: size(round(value)), float(most.size_bytes)),
    )


def _dot(study: StudyRecord, trial: TrialRecord, across: float, upwards: float) -> Dot:
    kind = "recommended" if trial.id == study.recommended else "front" if trial.is_on_front else "rest"
    return Dot(trial.id, across, upwards, kind, f"{trial.id}: {' → '.join(trial.recipe) or 'the source itself'}")


def _sentence(study: StudyRecord, dots: Sequence[Dot]) -> str:
    front = ", ".join(dot.name for dot in dots if dot.kind != "rest")
    advised = f"{study.recommended} is recommended. " if study.recommended else ""
    state = "The search goes on. " if study.state is StudyState.RUNNING else ""
    return f"on the front are {front or 'none'}. {advised}{state}The table below has the values."
