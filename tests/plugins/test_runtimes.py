"""Our runtimes pass the checks that every runtime must pass, and the loader tells what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from runtime_checks import Case, RuntimeChecks

from edgewright import plugins
from edgewright.agent.runtimes import GROUP, RuntimeUnfit, load_runtime
from edgewright.contract.errors import NotFound
from edgewright.contract.manifest import Runtime


class TestOnnxRuntime(RuntimeChecks):
    """ONNX Runtime on the processor, with a small linear model."""

    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        weights = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
        x = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
        path = tmp_path / "model.onnx"
        path.write_bytes(_linear(weights))
        scores = x @ weights
        return Case(
            name="onnxruntime",
            provider="CPUExecutionProvider",
            model=path,
            feeds={"x": x},
            outputs={"scores": scores, "label": scores.argmax(axis=1)},
            misfits={"x": np.zeros((5, 7), np.float32)},
        )


def test_an_unknown_plug_in_is_told_with_those_that_are_installed() -> None:
    with pytest.raises(NotFound) as caught:
        plugins.load(GROUP, "abacus")

    assert "onnxruntime" in caught.value.message


@pytest.mark.parametrize(("minimum", "below", "fits"), [("1.17", "2", True), ("99", "100", False), ("0.1", "1", False)])
def test_a_runtime_must_lie_within_what_the_package_needs(minimum: str, below: str, fits: bool) -> None:
    needed = Runtime(name="onnxruntime", minimum=minimum, below=below)

    if fits:
        assert load_runtime(needed).version
        return
    with pytest.raises(RuntimeUnfit):
        load_runtime(needed)


def _linear(weights: np.ndarray) -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["scores"]),
            helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 3]),
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        ],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())
