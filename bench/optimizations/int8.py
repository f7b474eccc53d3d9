"""Static int8 of the networks, dynamic int8 of the transformer: smaller, faster, as good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from agents.figures import figure

from edgewright.contract.api import StudyDraft
from optimizations import plain
from optimizations.clock import race
from optimizations.desk import Desk, desk, kept
from optimizations.zoo import Exhibit, exhibit

TARGET = "x86-64-vnni"
NETWORKS = ("cnn", "resnet8", "sensor")
STATIC, DYNAMIC = "clean → static-int8", "clean → dynamic-int8"
SMALLER, FASTER, POINTS = 3.4, 1.2, 0.2
ON_OPENVINO = {"cnn": 1.5, "resnet8": 3.0}
SENTENCES_SMALLER, SENTENCES_FASTER, COSINE = 3.8, 2.3, 0.99
COMPARED = 64


def main(folder: Path) -> bool:
    """Print the figures; whether all bounds hold."""
    with desk() as hub:
        networks = [told for name in NETWORKS for told in network(hub, exhibit(name, folder), folder)]
        return all([*networks, *sentences(hub, exhibit("minilm", folder), folder)])


def network(hub: Desk, source: Exhibit, folder: Path) -> Iterator[bool]:
    """A network in static int8, on ONNX Runtime and on OpenVINO, beside what the plain tool makes."""
    study, _ = hub.study(hub.register(source), StudyDraft(targets=(TARGET,), recipes=(STATIC,)))
    trial = kept(study, STATIC)
    ours, by_hand = hub.fetch(trial), folder / f"{source.name}.plain.onnx"
    plain.static_int8(source.model, source.train, by_hand)
    yield from smaller(source, ours, by_hand, SMALLER)
    lost = 100 * trial.figures.quality.drop
    yield figure(
        f"{source.name}: points lost in int8",
        lost,
        100 * points_lost(source, by_hand),
        "plain tool",
        "points",
        bound=f"<= {POINTS}",
        holds=lost <= POINTS + 1e-9,
    )
    runners = {"fp32": ("onnxruntime", source.model), "ours": ("onnxruntime", ours), "plain": ("onnxruntime", by_hand)}
    times = race({**runners, "openvino": ("openvino", ours)}, source.holdout)
    yield faster(f"{source.name}: int8", times, "ours", FASTER, plain_tool=round(times["fp32"] / times["plain"], 3))
    if bound := ON_OPENVINO.get(source.name):
        yield faster(f"{source.name}: int8 on OpenVINO", times, "openvino", bound)


def sentences(hub: Desk, source: Exhibit, folder: Path) -> Iterator[bool]:
    """MiniLM in dynamic int8, and how near its vectors stay."""
    study, _ = hub.study(hub.register(source), StudyDraft(targets=(TARGET,), recipes=(DYNAMIC,), max_metric_drop=0.01))
    trial = kept(study, DYNAMIC)
    ours, by_hand = hub.fetch(trial), folder / "minilm.plain.onnx"
    plain.dynamic_int8(source.model, by_hand)
    yield from smaller(source, ours, by_hand, SENTENCES_SMALLER)
    near, plainly = cosine(source, ours), cosine(source, by_hand)
    yield figure("minilm: cosine", near, plainly, "plain tool", "mean", bound=f">= {COSINE}", holds=near >= COSINE)
    runners = {"fp32": source.model, "ours": ours, "plain": by_hand}
    times = race({name: ("onnxruntime", path) for name, path in runners.items()}, source.holdout)
    yield faster("minilm: int8", times, "ours", SENTENCES_FASTER, plain_tool=round(times["fp32"] / times["plain"], 3))


def smaller(source: Exhibit, ours: Path, by_hand: Path, bound: float) -> Iterator[bool]:
    """How many times smaller than the source, and than what the plain tool leaves."""
    whole, made, other = (path.stat().st_size for path in (source.model, ours, by_hand))
    yield figure(
        f"{source.name}: int8 size",
        made,
        whole,
        "fp32",
        "bytes",
        bound=f"{bound} times smaller",
        holds=whole / made >= bound,
        times_smaller=round(whole / made, 3),
    )
    yield figure(f"{source.name}: int8 size", made, other, "plain tool", "bytes")


def faster(name: str, times: dict[str, float], ours: str, bound: float, **more: object) -> bool:
    """How many times faster than fp32 on ONNX Runtime; times are in milliseconds."""
    gain = times["fp32"] / times[ours]
    return figure(
        f"{name}, p50 of one row",
        1000 * times[ours],
        1000 * times["fp32"],
        "fp32 on ONNX Runtime",
        "us",
        bound=f"{bound} times faster",
        holds=gain >= bound,
        times_faster=round(gain, 3),
        **more,
    )


def points_lost(source: Exhibit, model: Path) -> float:
    """Accuracy on the hold-out that `model` lost, as a share."""
    with np.load(source.holdout, allow_pickle=False) as arrays:
        rows, truth = arrays["x"], arrays["label"]
    right = [np.mean(_answers(path, {"x": rows}).argmax(1) == truth) for path in (source.model, model)]
    return float(right[0] - right[1])


def cosine(source: Exhibit, model: Path) -> float:
    """Mean cosine between what both make of rows that no calibration has seen."""
    with np.load(source.holdout, allow_pickle=False) as arrays:
        rows = {name: arrays[name][:COMPARED] for name in arrays.files}
    first, second = _answers(source.model, rows), _answers(model, rows)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(np.mean((first * second).sum(1) / norms))


def _answers(model: Path, rows: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, rows)[0]
