"""LiteRT and Vela, on small networks with random weights: what they promise, and what they refuse."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.agent.runtimes.litert import LiteRtRuntime
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Scheme
from edgewright.hub.optimize.model import Outcome, StepPlan
from edgewright.hub.optimize.toolchains import installed
from plugins import zoo
from plugins.step_checks import answers, apply, check_params, check_refusals, check_step, stray

pytestmark = pytest.mark.optimize

FLOAT, INT8, DYNAMIC = (StepPlan(name="litert", params={"precision": word}) for word in ("float32", "int8", "dynamic"))
NETWORKS = (zoo.digits_cnn, zoo.resnet8, zoo.conv1d, zoo.mlp, zoo.two_inputs)
MAX_STRAY = {"float32": 1e-5, "int8": 0.05, "dynamic": 0.05}


@pytest.fixture(autouse=True)
def toolchain() -> None:
    if "litert" not in installed(Path("no-toolchains")):
        pytest.skip("the toolchain litert is not in EDGEWRIGHT_TOOLCHAINS: edgewright hub toolchain install litert")


@pytest.mark.parametrize("plan", [FLOAT, INT8, DYNAMIC], ids=lambda plan: plan.params["precision"])
@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_a_network_keeps_its_surface_and_answers(
    tmp_path: Path, build: Callable[..., zoo.Kept], plan: StepPlan
) -> None:
    kept = build()
    source, rows = kept.save(tmp_path), kept.save_rows(tmp_path)

    made = check_step(plan, source, rows, kept.rows, tmp_path, kept.contract)

    found = served(made, kept.rows)
    assert stray(answers(source, kept.rows), found) <= MAX_STRAY[str(plan.params["precision"])]
    assert found["scores"].dtype == np.float32


@pytest.mark.parametrize("plan", [FLOAT, INT8], ids=lambda plan: plan.params["precision"])
def test_a_network_for_four_rows_at_once_stays_so(tmp_path: Path, plan: StepPlan) -> None:
    kept = zoo.digits_cnn(batch=4)
    source, rows = kept.save(tmp_path), kept.save_rows(tmp_path)

    made = apply(plan, source, rows, tmp_path / "made", kept.contract)

    four = {name: array[:4] for name, array in kept.rows.items()}
    assert stray(answers(source, four), served(made, four)) <= MAX_STRAY[str(plan.params["precision"])]


def test_int8_is_a_third_of_the_size_and_says_how_it_was_calibrated(tmp_path: Path) -> None:
    kept = zoo.digits_cnn()
    source = kept.save(tmp_path)

    made = apply(INT8, source, kept.save_rows(tmp_path), tmp_path / "made", kept.contract)

    assert source.stat().st_size >= 3.5 * Path(made.path).stat().st_size
    assert made.quantisation is not None
    assert (made.quantisation.scheme, made.quantisation.calibrator) == (Scheme.STATIC, Calibrator.MIN_MAX)
    assert made.quantisation.calibration_rows == zoo.ROWS
    assert set(made.tools) == {"ai-edge-litert", "ai-edge-quantizer", "flatbuffers"}


def test_a_signal_whose_borders_tflite_has_no_word_for_gets_them_written_around(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[2, 0], strides=[2], dilations=[1])]
    source = saved(tmp_path, nodes, {"x": (None, 2, 16)}, {"y": (None, 4, 8)}, {"w": kernel})
    rows = {"x": np.random.default_rng(1).normal(size=(3, 2, 16)).astype(np.float32)}

    made = apply(FLOAT, source, None, tmp_path / "made")

    assert stray(answers(source, rows), served(made, rows)) < 1e-6


def test_channels_by_themselves_joins_and_turns_keep_their_answers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["a"], ["b"]),
        helper.make_node("Mul", ["b", "factor"], ["c"]),
        helper.make_node("Concat", ["a", "c"], ["d"], axis=1),
        helper.make_node("AveragePool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["e"], ["y"], perm=[0, 2, 3, 1]),
        helper.make_node("Clip", ["e", "low", "high"], ["z"]),
    ]
    weights = {
        "w": random.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "factor": random.normal(size=(1, 4, 1, 1)).astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(6),
    }
    ports = {"y": (None, 4, 4, 8), "z": (None, 8, 4, 4)}
    source = saved(tmp_path, nodes, {"x": (None, 4, 8, 8)}, ports, weights)
    rows = {"x": random.normal(size=(3, 4, 8, 8)).astype(np.float32)}

    made = apply(FLOAT, source, None, tmp_path / "made")

    found = served(made, rows)
    assert {name: array.shape for name, array in found.items()} == {"y": (3, 4, 4, 8), "z": (3, 8, 4, 4)}
    assert stray(answers(source, rows), found) < 1e-6


def test_what_exporters_write_of_mobile_networks_keeps_its_answers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        helper.make_node("HardSigmoid", ["b"], ["c"], alpha=1 / 6),
        helper.make_node("Mul", ["b", "c"], ["d"]),
        helper.make_node("Shape", ["d"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["rows"]),
        helper.make_node("Concat", ["rows", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["d", "flat"], ["y"]),
    ]
    weights = {
        "w": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(6),
        "first": np.array([0]),
        "rest": np.array([-1]),
    }
    source = saved(tmp_path, nodes, {"x": ("n", 3, 8, 8)}, {"y": ("n", 144)}, weights)
    rows = {"x": random.normal(size=(3, 3, 8, 8)).astype(np.float32)}

    made = apply(FLOAT, source, None, tmp_path / "made")

    assert stray(answers(source, rows), served(made, rows)) < 1e-6


@pytest.mark.parametrize(
    ("build", "operator"),
    [(zoo.forest, "TreeEnsembleRegressor"), (zoo.transformer, "LayerNormalization"), (zoo.control_flow, "If")],
    ids=["forest", "transformer", "branches"],
)
def test_what_litert_has_no_form_for_is_refused_by_its_name(
    tmp_path: Path, build: Callable[[], zoo.Kept], operator: str
) -> None:
    with pytest.raises(InvalidInput, match=operator) as refused:
        apply(FLOAT, build().save(tmp_path), None, tmp_path / "made")

    assert refused.value.field.startswith("operator.")


def test_an_axis_of_free_length_is_refused_by_its_tensor(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    source = saved(tmp_path, nodes, {"x": (None, "words")}, {"y": (None, "words")}, {})

    with pytest.raises(InvalidInput, match="axis 1 of 'x' may have any length"):
        apply(FLOAT, source, None, tmp_path / "made")


def test_rows_that_are_none_or_misfits_are_named(tmp_path: Path) -> None:
    check_refusals(INT8, zoo.digits_cnn(), tmp_path)


@pytest.mark.parametrize("name", ["litert", "vela"])
def test_parameters_are_checked(name: str) -> None:
    check_params(name)


@pytest.mark.parametrize("build", [zoo.digits_cnn, zoo.resnet8, zoo.conv1d], ids=lambda build: build.__name__)
def test_vela_gives_cycles_and_memory_and_the_same_bytes_again(tmp_path: Path, build: Callable[[], zoo.Kept]) -> None:
    kept = build()
    int8 = apply(INT8, kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "int8", kept.contract)

    first = apply(StepPlan(name="vela"), Path(int8.path), None, tmp_path / "first")
    second = apply(StepPlan(name="vela"), Path(int8.path), None, tmp_path / "second")

    assert digest(first) == digest(second)
    assert b"ethos-u" in Path(first.path).read_bytes()
    assert first.estimates["cycles"] > 1_000
    assert first.estimates["latency_ms"] == pytest.approx(first.estimates["cycles"] / 500e6 * 1000, rel=1e-6)
    assert 1_000 < first.estimates["sram_bytes"] < 100_000
    assert 0.5 < first.estimates["flash_bytes"] / Path(int8.path).stat().st_size < 1.1
    assert "operators on ethos-u55-128" in first.note
    assert first.tools.keys() == {"ethos-u-vela"}


def test_vela_for_a_larger_accelerator_takes_fewer_cycles(tmp_path: Path) -> None:
    kept = zoo.resnet8()
    int8 = apply(INT8, kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "int8", kept.contract)
    large = StepPlan(
        name="vela",
        params={
            "accelerator": "ethos-u65-512",
            "system_config": "Ethos_U65_High_End",
            "memory_mode": "Dedicated_Sram",
        },
    )

    slow = apply(StepPlan(name="vela"), Path(int8.path), None, tmp_path / "slow")
    fast = apply(large, Path(int8.path), None, tmp_path / "fast")

    assert fast.estimates["cycles"] < 0.5 * slow.estimates["cycles"]
    assert fast.estimates["dram_bytes"] > 0


def test_a_model_of_which_the_accelerator_takes_nothing_says_so(tmp_path: Path) -> None:
    floats = apply(FLOAT, zoo.digits_cnn().save(tmp_path), None, tmp_path / "floats")

    with pytest.raises(InvalidInput, match="takes none of the model's 9 operators: all would run on the processor"):
        apply(StepPlan(name="vela"), Path(floats.path), None, tmp_path / "made")


def test_an_accelerator_that_vela_does_not_know_is_named(tmp_path: Path) -> None:
    floats = apply(FLOAT, zoo.mlp().save(tmp_path), None, tmp_path / "floats")

    with pytest.raises(InvalidInput, match="invalid choice: 'ethos-u65-513'"):
        apply(StepPlan(name="vela", params={"accelerator": "ethos-u65-513"}), Path(floats.path), None, tmp_path / "m")


def served(made: Outcome, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a device's own runtime answers."""
    return LiteRtRuntime().load(Path(made.path), "XNNPACK").run(rows)


def digest(made: Outcome) -> str:
    return hashlib.sha256(Path(made.path).read_bytes()).hexdigest()


def saved(folder: Path, nodes, inputs, outputs, weights) -> Path:
    """An ONNX file of these nodes, whose ports are float32."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "small.onnx")
    return folder / "small.onnx"
