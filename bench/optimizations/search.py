"""The search itself: how long it takes, whether it makes the same bytes again, what it learns, what it recommends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from agents.figures import figure

from edgewright.contract.api import StudyDraft, StudyRecord, TrialState
from optimizations.clock import race
from optimizations.desk import Desk, desk, kept
from optimizations.zoo import Exhibit, exhibit

TARGET = "x86-64-vnni"
VARIANTS, SECONDS, LEARNED = 12, 120.0, 3.0
WHOLE_S = 600.0  # enough for everything that is tried, also for what trains
NOISE = 1.05
"""Two races of the same file differ by up to so much here."""


def main(folder: Path) -> bool:
    """Print the figures; whether all bounds hold."""
    with desk() as hub:
        held = [*breadth(hub, folder), *(told for name in ("small-mlp", "forest") for told in worst(hub, name, folder))]
    return all(held)


def breadth(hub: Desk, folder: Path) -> Iterator[bool]:
    """A search of the CNN with a budget of SECONDS, a whole one without the cache, and that of a child."""
    source, child = exhibit("cnn", folder), exhibit("cnn-child", folder)
    version = hub.register(source)
    draft = StudyDraft(targets=(TARGET,), budget_s=SECONDS, use_cache=False, use_history=False)
    first, first_s = hub.study(version, draft)
    made = digests(first)
    yield figure(
        "cnn: seconds for a search",
        first_s,
        SECONDS,
        "bound",
        "s",
        bound=f"{VARIANTS} variants in {SECONDS:g} s",
        holds=len(made) >= VARIANTS and first_s <= SECONDS,
        variants=len(made),
    )
    whole = msgspec.structs.replace(draft, budget_s=WHOLE_S)
    again, whole_s = hub.study(version, whole)
    equal = sum(digests(again).get(recipe) == sha256 for recipe, sha256 in made.items())
    yield figure("cnn: equal digests again", equal, len(made), "all", "variants", holds=equal == len(made))
    learned = StudyDraft(targets=(TARGET,), budget_s=WHOLE_S)
    second, second_s = hub.study(hub.register(child, source.name), learned)
    yield figure(
        "cnn: seconds for a search of its child",
        second_s,
        whole_s,
        "its parent's whole search",
        "s",
        bound=f"{LEARNED} times faster",
        holds=whole_s / second_s >= LEARNED,
        tried=sum(trial.figures is not None for trial in second.trials),
    )


def worst(hub: Desk, name: str, folder: Path) -> Iterator[bool]:
    """Where int8 loses, the recommendation is neither slower nor larger than the source."""
    source = exhibit(name, folder)
    study, _ = hub.study(hub.register(source), StudyDraft(targets=(TARGET,)))
    yield not_worse(hub, source, study)


def not_worse(hub: Desk, source: Exhibit, study: StudyRecord) -> bool:
    advised = kept(study)
    times = race({"fp32": ("onnxruntime", source.model), "ours": ("onnxruntime", hub.fetch(advised))}, source.holdout)
    whole = source.model.stat().st_size
    is_kept = advised.figures.size_bytes <= whole and times["ours"] <= NOISE * times["fp32"]
    return figure(
        f"{source.name}: what is recommended",
        1000 * times["ours"],
        1000 * times["fp32"],
        "fp32 on ONNX Runtime",
        "us",
        bound="neither slower nor larger",
        holds=is_kept,
        recipe=" → ".join(advised.recipe),
        size_ratio=round(advised.figures.size_bytes / whole, 3),
    )


def digests(study: StudyRecord) -> dict[str, str]:
    """What each kept recipe made, the source apart."""
    made = (trial for trial in study.trials if trial.state is TrialState.KEPT and trial.recipe)
    return {" → ".join(trial.recipe): trial.sha256 for trial in made}
