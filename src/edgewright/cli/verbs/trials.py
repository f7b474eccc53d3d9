"""A trial in words: what was tried, what each figure is and where it was measured, and why it was not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgewright.cli.formats import counted, duration, pairs, share, size, words
from edgewright.cli.output import Column

if TYPE_CHECKING:
    from edgewright.contract.api import Figures, StudyRecord, Timing, TrialRecord

SOURCE = "the source itself"


def trial_line(trial: TrialRecord) -> str:
    """A trial in a line: what was tried, and what came of it."""
    figures = trial.figures
    told = trial.reason
    if figures is not None:
        told = words((quality(figures), milliseconds(figures.timing.p95_ms), size(figures.size_bytes)))
        if trial.state != "kept" or trial.breaks:
            told = f"{told}; {trial.reason if trial.state != 'kept' else 'breaks ' + words(trial.breaks)}"
    cached = ", from the cache" if trial.is_cached else ""
    return f"{trial.id} {recipe(trial)}: {trial.state}{cached}, {told}"


def quality(figures: Figures) -> str:
    """The value of the metric: accuracies in per cent."""
    value = figures.quality.value
    return share(value) if figures.quality.metric == "accuracy" else decimal(value)


def milliseconds(value: float) -> str:
    """A latency with three digits."""
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def recipe(trial: TrialRecord) -> str:
    """Its steps in a line."""
    return " → ".join(trial.recipe) or SOURCE


def why(trial: TrialRecord) -> str:
    """Why it is not kept, or what speaks for it."""
    return f"breaks {words(trial.breaks)}: {trial.reason}" if trial.breaks else trial.reason


def verdict(study: StudyRecord, trial: TrialRecord) -> str:
    """What it gained against the source where it was kept, else why it was not."""
    from edgewright.contract.api import SOURCE_TRIAL

    if trial.state != "kept" or trial.figures is None:
        return trial.reason
    broken = f"breaks {words(trial.breaks)}; " if trial.breaks else ""
    if trial.id == SOURCE_TRIAL:
        return f"{broken}{trial.reason}"
    drop = trial.figures.quality.drop
    lost = f"{100 * drop:.2f} points lost" if drop > 0 else "nothing lost"
    return f"{broken}{lost}, {against(study, trial)}".removesuffix(", ")


def place_of(place: str, where: str) -> str:
    """Where a figure was measured; `where` may begin with the place itself."""
    return where if where.startswith(place) else f"{place}, {where}".removesuffix(", ")


def decimal(value: float) -> str:
    """A metric that is no share."""
    return f"{value:.4f}"


def against(study: StudyRecord, trial: TrialRecord) -> str:
    """How much smaller and faster it is than the source, "" where nothing is known."""
    if (gains := study.gains(trial)) is None:
        return ""
    smaller, faster = gains
    return f"{smaller:.2f} times smaller, {faster:.2f} times as fast"


def of_figures(value: Callable[[Figures], str]) -> Callable[[TrialRecord], str]:
    """What is told of figures, where there are any."""
    return lambda trial: "" if trial.figures is None else value(trial.figures)


def _by_place(trials: Sequence[TrialRecord], of: Callable[[Figures], str]) -> str:
    """Where a figure comes from, with the trials where it differs."""
    found: dict[str, list[str]] = {}
    for trial in trials:
        if trial.figures is not None and (place := of(trial.figures)):
            found.setdefault(place, []).append(trial.id)
    if len(found) == 1:
        return next(iter(found))
    return "\n".join(f"{place} ({words(ids)})" for place, ids in found.items())


def _interval(figures: Figures) -> str:
    told = figures.quality
    lost = f"drop {told.drop:.2%}, at most {told.drop_high:.2%}"
    written = share if told.metric == "accuracy" else decimal
    ends = f"{written(told.low)} to {written(told.high)}"
    return f"{quality(figures)} {told.metric} ({ends}) on {counted(told.rows, 'row')}; {lost}"


def _timings(trial: TrialRecord) -> str:
    """The believed one first."""
    believed = () if trial.figures is None else (trial.figures.timing, *trial.elsewhere)
    return "\n".join(map(_timing, believed))


def _timing(timing: Timing) -> str:
    told = " / ".join(milliseconds(value) for value in (timing.p50_ms, timing.p95_ms, timing.p99_ms))
    return f"{told} (p50 / p95 / p99), {place_of(timing.place, timing.where)}"


def _memory(figures: Figures) -> str:
    return f"{size(figures.memory.peak_bytes)} at its peak, {place_of(figures.memory.place, figures.memory.where)}"


def _energy(figures: Figures) -> str:
    energy = figures.energy
    return "" if energy is None else f"{energy.mj:.3g} mJ, {place_of(energy.place, energy.where)}"


def _size(figures: Figures) -> str:
    delta = f"; {size(figures.delta_bytes)} as a delta" if figures.delta_bytes is not None else ""
    return f"{size(figures.size_bytes)} on disk{delta}"


def _energy_place(figures: Figures) -> str:
    return "" if figures.energy is None else place_of(figures.energy.place, figures.energy.where)


def _quantised(trial: TrialRecord) -> str:
    import msgspec

    return words(f"{name}={value}" for name, value in msgspec.to_builtins(trial.quantisation).items() if value)


FIGURE_COLUMNS: list[Column[TrialRecord]] = [
    ("QUALITY>", of_figures(quality)),
    ("P95>", of_figures(lambda one: milliseconds(one.timing.p95_ms))),
    ("SIZE>", of_figures(lambda one: size(one.size_bytes))),
    ("MEMORY>", of_figures(lambda one: size(one.memory.peak_bytes))),
]

PLACES: list[Column[list[TrialRecord]]] = [
    ("latency", lambda all: _by_place(all, lambda one: place_of(one.timing.place, one.timing.where))),
    ("memory", lambda all: _by_place(all, lambda one: place_of(one.memory.place, one.memory.where))),
    ("energy", lambda all: _by_place(all, _energy_place)),
]

TRIAL_FACTS: list[Column[TrialRecord]] = [
    ("trial", lambda one: one.id),
    ("recipe", recipe),
    ("state", lambda one: one.state),
    ("why", why),
    ("steps", lambda one: "\n".join(one.reasons)),
    ("quality", of_figures(_interval)),
    ("groups", of_figures(lambda one: words(f"{name} {value:.4g}" for name, value in one.quality.groups.items()))),
    ("latency", _timings),
    ("memory", of_figures(_memory)),
    ("size", of_figures(_size)),
    ("energy", of_figures(_energy)),
    ("parity", lambda one: f"{one.parity:.4g}" if one.figures else ""),
    ("quantised", lambda one: "" if one.quantisation is None else _quantised(one)),
    ("tools", lambda one: pairs(one.tools)),
    ("file", lambda one: f"{one.sha256} ({one.format})" if one.sha256 else ""),
    ("golden", lambda one: one.golden_sha256),
    ("took", lambda one: f"{duration(one.seconds)}{', from the cache' if one.is_cached else ''}"),
]
