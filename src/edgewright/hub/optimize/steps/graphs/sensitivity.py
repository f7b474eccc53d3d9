"""Finds the layers whose quantisation hurts most: each is quantised alone, and the answers are compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime

from edgewright.hub.optimize.steps import Arrays
from edgewright.hub.optimize.steps.graphs.calibration import Rows

ROWS = 128
"""Enough to rank layers by."""


class Quantises(Protocol):
    """A model of which single layers can be quantised."""

    model: onnx.ModelProto
    layers: list[str]
    folder: Path

    def quantise(self, names: Sequence[str], path: Path) -> None: ...


def most_sensitive(work: Quantises, rows: Rows, count: int, kept: Sequence[str] = ()) -> tuple[str, ...]:
    """The `count` layers whose quantisation alone moves the answers most, worst first; `kept` ones are not asked."""
    asked = [name for name in work.layers if name not in kept]
    feeds = rows.first(ROWS)
    exact = answers(work.model.SerializeToString(), feeds)
    found = []
    for name in asked:
        path = work.folder / "one_layer.onnx"
        work.quantise([name], path)
        found.append(damage(exact, answers(path.read_bytes(), feeds)))
    order = sorted(range(len(asked)), key=lambda place: (-found[place], place))
    return tuple(asked[place] for place in order[: min(count, len(asked) - 1)])


def damage(exact: Sequence[np.ndarray], moved: Sequence[np.ndarray]) -> float:
    """How far answers moved: noise over signal, in power, in the worst output; for whole numbers, the share changed."""
    return max((_damage(before, after) for before, after in zip(exact, moved, strict=True)), default=0.0)


def _damage(before: np.ndarray, after: np.ndarray) -> float:
    if before.dtype.kind != "f":
        return float(np.mean(before != after))
    noise, signal = before.astype(np.float64) - after, before.astype(np.float64)
    return float(np.sum(noise**2) / max(float(np.sum(signal**2)), 1e-30))


def answers(model: bytes, feeds: Sequence[Arrays]) -> list[np.ndarray]:
    """All outputs of the model for all rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = [session.run(None, feed) for feed in feeds]
    return [np.concatenate([np.atleast_1d(each) for each in column]) for column in zip(*parts, strict=True)]
