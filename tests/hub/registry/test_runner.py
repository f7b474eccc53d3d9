"""The hub runs models on rows as apps pass them, by the same steps as devices; children that judge models use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.preprocessing.axes import Reshape
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.picture import Layout, Method, Resize
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.automate.judging.evaluator import EvaluatorQuestion, evaluate
from edgewright.hub.optimize.steps import StepContext
from edgewright.hub.optimize.steps.graphs.static_int8 import Rows
from edgewright.hub.registry.runner import Preparing, Runner

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(16, 3)).astype(np.float32)
STEPS = (
    Resize(input="image", layout=Layout.HW, height=4, width=4, method=Method.BILINEAR_ANTIALIAS),
    Cast(input="image", dtype=Dtype.FLOAT32, factor=1 / 255),
    Normalise(input="image", mean=(0.5,), std=(0.25,)),
    Reshape(input="image", output="x", shape=(16,)),
)
SCORES = (TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES),)
RAW = Contract(
    inputs=(TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, 8, 8)),), outputs=SCORES, preprocessing=STEPS
)
BARE = Contract(inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 16)),), outputs=SCORES)
IMAGES = RANDOM.integers(0, 256, (600, 8, 8)).astype(np.uint8)


def prepared() -> np.ndarray:
    """What the training code made of the images (an even reduction to the half is a weighted mean)."""
    found: np.ndarray = Preparing(RAW, {})({"image": IMAGES})["x"]
    return found


@pytest.fixture(scope="module", params=[0, 60], ids=["any number of rows", "60 rows"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = request.param or None
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 16])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 3])]
    graph = helper.make_graph(nodes, "linear", inputs, outputs, [numpy_helper.from_array(WEIGHTS, "w")])
    path = tmp_path_factory.mktemp("linear") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_raw_rows_are_answered_as_prepared_ones_are(model: Path) -> None:
    raw = Runner(str(model), RAW, {}).answer({"image": IMAGES})
    bare = Runner(str(model), BARE, {}).answer({"x": prepared()})

    assert raw["y"].shape == (600, 3)
    np.testing.assert_allclose(raw["y"], bare["y"], rtol=1e-6)


def test_without_steps_the_model_gets_the_very_arrays() -> None:
    rows = {"x": prepared()}

    assert Preparing(BARE, {})(rows) is rows


def test_challengers_are_evaluated_on_raw_rows(model: Path, tmp_path: Path) -> None:
    truth = RANDOM.integers(0, 3, len(IMAGES))
    np.savez(tmp_path / "raw.npz", image=IMAGES, label=truth)
    np.savez(tmp_path / "bare.npz", x=prepared(), label=truth)

    for name, contract in (("raw", RAW), ("bare", BARE)):
        holdout, answers = str(tmp_path / f"{name}.npz"), str(tmp_path / f"{name}-answers.npz")
        evaluate(EvaluatorQuestion(model=str(model), holdout=holdout, contract=contract, tables={}, answers=answers))

    with np.load(tmp_path / "raw-answers.npz") as raw, np.load(tmp_path / "bare-answers.npz") as bare:
        assert set(raw) == set(bare)
        np.testing.assert_array_equal(raw["classes"], bare["classes"])


def test_int8_is_calibrated_on_prepared_rows(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", image=IMAGES[:120])
    context = StepContext(folder=tmp_path, calibration=tmp_path / "rows.npz", prepare=Preparing(RAW, {}))

    rows = Rows(onnx.load(model), context)

    fed = [batch["x"] for batch in rows]
    np.testing.assert_array_equal(np.concatenate(fed), prepared()[:120])
    assert rows.count == 120
