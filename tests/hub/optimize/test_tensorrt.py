"""TensorRT: what the hub prepares for devices that build their engines themselves, and what those are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edgewright.agent.runtimes import start_runtime
from edgewright.agent.runtimes.engines import tensorrt_options
from edgewright.contract import engineplan
from edgewright.contract.engineplan import EnginePlan
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.hub.optimize.model import StepPlan
from plugins import zoo
from plugins.step_checks import answers, apply, check_params, check_refusals, check_step

PROVIDER = "TensorrtExecutionProvider"
INT8 = StepPlan(name="tensorrt", params={"max_rows": 8})
HALF = StepPlan(name="tensorrt", params={"int8": False})


def plan_in(path):
    return engineplan.decode({prop.key: prop.value for prop in onnx.load(path).metadata_props}[engineplan.KEY])


@pytest.mark.optimize
@pytest.mark.parametrize("plan", [INT8, HALF], ids=["int8", "half"])
@pytest.mark.parametrize("build", [zoo.digits_cnn, zoo.resnet8, zoo.conv1d, zoo.transformer])
def test_it_keeps_what_every_step_keeps(plan, build, tmp_path):
    kept = build()
    rows = {name: array[:32] for name, array in kept.rows.items()}

    check_step(plan, kept.save(tmp_path), kept.save_rows(tmp_path), rows, tmp_path, kept.contract)


@pytest.mark.optimize
def test_it_refuses_rows_that_are_none_or_do_not_fit(tmp_path):
    check_refusals(INT8, zoo.mlp(), tmp_path)
    check_params("tensorrt")
    with pytest.raises(InvalidInput, match="no weights"):
        apply(INT8, zoo.forest().save(tmp_path), zoo.forest().save_rows(tmp_path), tmp_path / "forest")


def test_int8_is_signed_and_symmetric_and_leaves_biases_float(tmp_path):
    kept = zoo.conv1d()

    made = apply(INT8, kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "made", kept.contract)

    graph = onnx.load(made.path).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zeros = [weights[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    assert not any(array.dtype == np.int32 for array in weights.values())
    assert plan_in(made.path) == EnginePlan(max_rows=8, half=True, int8=True)


def test_without_int8_only_the_plan_is_added(tmp_path):
    kept = zoo.mlp()
    model = kept.save(tmp_path)

    made = apply(HALF, model, None, tmp_path / "made", kept.contract)

    assert plan_in(made.path) == EnginePlan(int8=False)
    np.testing.assert_array_equal(answers(Path(made.path), kept.rows)["scores"], answers(model, kept.rows)["scores"])


def test_an_engine_is_built_once_for_all_numbers_of_rows(tmp_path):
    plan = EnginePlan(max_rows=8, int8=True)

    options = tensorrt_options(plan, {"image": [None, 1, 8, 8], "columns": [None, 5]}, tmp_path)

    assert options["trt_profile_min_shapes"] == options["trt_profile_opt_shapes"] == "image:1x1x8x8,columns:1x5"
    assert options["trt_profile_max_shapes"] == "image:8x1x8x8,columns:8x5"
    assert (options["trt_int8_enable"], options["trt_fp16_enable"]) == ("True", "True")
    assert options["trt_engine_cache_path"] == str(tmp_path)


def test_where_more_than_the_rows_is_free_tensorrt_finds_the_shapes_itself():
    options = tensorrt_options(EnginePlan(), {"ids": [None, None]}, None)

    assert options == {"trt_fp16_enable": "True", "trt_int8_enable": "False"}


def test_a_model_without_a_plan_has_its_engines_kept_and_nothing_else(tmp_path):
    assert set(tensorrt_options(None, {"x": [None, 4]}, tmp_path)) == {
        "trt_engine_cache_enable",
        "trt_engine_cache_path",
        "trt_timing_cache_enable",
        "trt_timing_cache_path",
    }


@pytest.mark.parametrize("text", ["", "[]", '{"max_rows": 0}', '{"max_rows": 1e9}', '{"format": 2}', '{"shell": "rm"}'])
def test_a_plan_that_is_none_is_hostile(text):
    with pytest.raises(HostileInput):
        engineplan.decode(text)


@pytest.mark.optimize
@pytest.mark.skipif(PROVIDER not in onnxruntime.get_available_providers(), reason=f"no GPU with {PROVIDER} here")
def test_a_gpu_builds_the_engine_and_answers_alike(tmp_path):
    kept, slot = zoo.digits_cnn(), tmp_path / "slot"
    slot.mkdir()
    made = apply(INT8, kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "made", kept.contract)
    model = Path(made.path).rename(slot / "model.onnx")

    session = start_runtime("onnxruntime").load(model, PROVIDER)

    found, wanted = session.run(dict(kept.rows))["scores"], answers(model, dict(kept.rows))["scores"]
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.98
    assert list((tmp_path / "slot.engines").rglob("*.engine"))
