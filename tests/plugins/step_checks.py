"""What every step must keep, whatever it does: checked on real models by each step's own tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from edgewright.contract.api import ModelFormat, Precision
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract
from edgewright.hub.optimize.making.stepper import take_step
from edgewright.hub.optimize.model import Outcome, StepPlan, StepQuestion
from edgewright.hub.optimize.steps import StepContext, params_of, step
from edgewright.hub.optimize.toolchains import installed
from plugins.zoo import Kept

Rows = np.ndarray | Mapping[str, np.ndarray]

STRAYS = {Precision.FP32: 1e-4, Precision.HALF: 2e-2, Precision.INT8: 1.0}
"""How far the answers of what a step leaves may be from what it got (DESIGN §9; int8 goes by the task's metric, so that
here it is only held to be of the same size)."""

NO_TOOLCHAINS = Path("no-toolchains")
"""Those that a step may use lie where EDGEWRIGHT_TOOLCHAINS says, as in `make test-optimize`."""

LABEL_KEY = "label"

INTEGERS = {"QuantizeLinear", "DequantizeLinear", "MatMulInteger", "DynamicQuantizeLinear"}


def check_step(
    plan: StepPlan,
    model: Path,
    calibration: Path,
    rows: Rows,
    folder: Path,
    contract: Contract | None = None,
    train: Path | None = None,
) -> Outcome:
    """Apply `plan` to `model` and check all that a step promises. Returns the outcome, for checks of its own."""
    before, beside = model.read_bytes(), sorted(model.parent.iterdir())
    first = apply(plan, model, calibration, folder / "first", contract, train)
    second = apply(plan, model, calibration, folder / "second", contract, train)

    assert model.read_bytes() == before, "a step leaves its input as it was"
    assert set(model.parent.iterdir()) - {folder / "first", folder / "second"} <= set(beside), "… and what is beside it"
    assert digest(first) == digest(second), "equal input gives equal bytes"
    assert Path(first.path).parent == folder / "first", "a step writes into its folder"
    assert first.note, "a step says what it did"
    assert first.format is step(plan.name).about.gives
    if first.format is ModelFormat.ONNX:
        check_onnx(plan, model, Path(first.path), rows, first)
    tools = reported_tools(plan, model, calibration, folder / "third", contract, train)
    assert tools >= {"numpy", "onnx", "onnxruntime"}
    return first


def check_onnx(plan: StepPlan, model: Path, made: Path, rows: Rows, outcome: Outcome) -> None:
    """What is promised of ONNX files: whole, valid, with the same surface, and near in their answers."""
    proto = onnx.load(made, load_external_data=False)
    onnx.checker.check_model(proto, full_check=True)
    assert not any(tensor.external_data for tensor in proto.graph.initializer), "a model is one file"
    assert described(made) == described(model), "inputs and outputs keep their names, types and shapes"
    is_quantised = bool(INTEGERS & {node.op_type for node in proto.graph.node})
    assert is_quantised == (outcome.quantisation is not None), "what was quantised is told, and nothing else"
    assert stray(answers(model, rows), answers(made, rows)) <= STRAYS[step(plan.name).about.precision]


def check_refusals(plan: StepPlan, kept: Kept, folder: Path) -> None:
    """What each step that looks at calibration rows says of rows that are none, or not those of the model."""
    model = kept.save(folder)
    first = next(iter(kept.rows))
    bad = {
        "none": ({name: rows[:0] for name, rows in kept.rows.items()}, f"calibration.{first}", "has no rows"),
        "missing": ({"other": kept.rows[first]}, f"calibration.{first}", "has no array"),
        "ragged": (kept.rows | {first: kept.rows[first][..., :-1]}, f"calibration.{first}", "shape"),
    }
    for name, (rows, field, words) in bad.items():
        path = folder / f"{name}.npz"
        np.savez(path, **rows)
        with pytest.raises(InvalidInput, match=words) as raised:
            apply(plan, model, path, folder / name, kept.contract)
        assert raised.value.field == field
    with pytest.raises(InvalidInput, match="no rows to calibrate on"):
        apply(plan, model, None, folder / "nothing", kept.contract)


def check_params(name: str) -> None:
    """Parameters have defaults, are frozen, and refuse what they do not know."""
    params = step(name).params

    with pytest.raises(AttributeError):
        params().anything = 1
    with pytest.raises(InvalidInput, match=f"step {name}: .*nonsense"):
        params_of(StepPlan(name=name, params={"nonsense": 1}))
    assert msgspec.convert(msgspec.to_builtins(params()), params) == params()


def apply(
    plan: StepPlan,
    model: Path,
    calibration: Path | None,
    folder: Path,
    contract: Contract | None = None,
    train: Path | None = None,
) -> Outcome:
    folder.mkdir()
    context = StepContext(
        folder=folder,
        calibration=calibration,
        contract=contract or Contract(inputs=(), outputs=()),
        train=train,
        label_key=LABEL_KEY,
        toolchains=installed(NO_TOOLCHAINS),
    )
    return step(plan.name).apply(model, params_of(plan), context)


def reported_tools(
    plan: StepPlan,
    model: Path,
    calibration: Path,
    folder: Path,
    contract: Contract | None = None,
    train: Path | None = None,
) -> set[str]:
    folder.mkdir()
    question = StepQuestion(
        plan=plan,
        model=str(model),
        calibration=str(calibration),
        folder=str(folder),
        contract=contract or Contract(inputs=(), outputs=()),
        train="" if train is None else str(train),
        label_key=LABEL_KEY,
        toolchains={name: str(python) for name, python in installed(NO_TOOLCHAINS).items()},
    )
    return set(take_step(question).tools)


def answers(model: Path, rows: Rows) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feeds = dict(rows) if isinstance(rows, Mapping) else {session.get_inputs()[0].name: rows}
    outputs = session.run(None, feeds)
    return {value.name: output for value, output in zip(session.get_outputs(), outputs, strict=True)}


def stray(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> float:
    """How far answers are from what they were: the root of noise over signal, in the worst output of floats."""
    assert before.keys() == after.keys()
    floats = [name for name, array in before.items() if array.dtype.kind == "f"]
    noise = {name: np.linalg.norm(before[name].astype(np.float64) - after[name]) for name in floats}
    return max((noise[name] / max(np.linalg.norm(before[name]), 1e-12) for name in floats), default=0.0)


def described(model: Path) -> list[tuple[str, str, list[int | None]]]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    values = [*session.get_inputs(), *session.get_outputs()]
    return [(v.name, v.type, [axis if isinstance(axis, int) else None for axis in v.shape]) for v in values]


def digest(outcome: Outcome) -> str:
    return hashlib.sha256(Path(outcome.path).read_bytes()).hexdigest()
