"""What every step must keep, whatever it does: checked on real models by each step's own tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from edgewright.hub.optimize.model import Outcome, StepPlan, StepQuestion
from edgewright.hub.optimize.stepper import take_step
from edgewright.hub.optimize.steps import StepContext, params_of, step


def check_step(plan: StepPlan, model: Path, calibration: Path, rows: np.ndarray, folder: Path) -> Outcome:
    """Apply `plan` to `model` and check all that a step promises. Returns the outcome, for checks of its own."""
    before = model.read_bytes()
    first = apply(plan, model, calibration, folder / "first")
    second = apply(plan, model, calibration, folder / "second")

    assert model.read_bytes() == before, "a step leaves its input as it was"
    assert digest(first) == digest(second), "equal input gives equal bytes"
    assert Path(first.path).parent == folder / "first", "a step writes into its folder"
    assert first.note, "a step says what it did"
    onnx.checker.check_model(onnx.load(first.path))
    assert described(Path(first.path)) == described(model), "inputs and outputs keep their names, types and shapes"
    assert answers(Path(first.path), rows).keys() == answers(model, rows).keys()
    assert reported_tools(plan, model, calibration, folder / "third") >= {"numpy", "onnx", "onnxruntime"}
    return first


def apply(plan: StepPlan, model: Path, calibration: Path, folder: Path) -> Outcome:
    folder.mkdir()
    return step(plan.name).apply(model, params_of(plan), StepContext(folder=folder, calibration=calibration))


def reported_tools(plan: StepPlan, model: Path, calibration: Path, folder: Path) -> set[str]:
    folder.mkdir()
    question = StepQuestion(plan=plan, model=str(model), calibration=str(calibration), folder=str(folder))
    return set(take_step(question).tools)


def answers(model: Path, rows: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: rows})
    return {value.name: output for value, output in zip(session.get_outputs(), outputs, strict=True)}


def described(model: Path) -> list[tuple[str, str, list[int | None]]]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    values = [*session.get_inputs(), *session.get_outputs()]
    return [(v.name, v.type, [axis if isinstance(axis, int) else None for axis in v.shape]) for v in values]


def digest(outcome: Outcome) -> str:
    return hashlib.sha256(Path(outcome.path).read_bytes()).hexdigest()
