"""ONNX networks in torch: the same answers, the weights back in the same file, and names for what is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps import StepContext
from plugins import zoo

pytestmark = pytest.mark.optimize

RANDOM = np.random.default_rng(1)
IMAGES = RANDOM.normal(size=(3, 4, 9, 8)).astype(np.float32)


@pytest.mark.parametrize("build", [each for each in zoo.NETWORKS if each is not zoo.control_flow])
def test_a_network_answers_in_torch_as_in_onnx_runtime(build, tmp_path):
    kept = build()

    _, made = torched(kept.save(tmp_path), tmp_path)

    assert np.abs(answered(made, kept.rows) - ran(kept.model, kept.rows)).max() < 1e-5


@pytest.mark.parametrize(("build", "rows"), zoo.FIXED)
def test_a_network_for_a_fixed_number_of_rows_takes_any_in_torch(build, rows, tmp_path):
    fixed, free = build(batch=rows), build()

    _, made = torched(fixed.save(tmp_path), tmp_path)

    some = {name: array[: rows + 3] for name, array in free.rows.items()}
    assert np.abs(answered(made, some) - ran(free.model, some)).max() < 1e-5


@pytest.mark.parametrize("build", [zoo.resnet8, zoo.mlp, zoo.conv1d, zoo.shared_weights])
def test_weights_go_back_where_they_came_from(build, tmp_path):
    from edgewright.hub.optimize.steps.training import torching

    kept = build()
    graph, made = torched(kept.save(tmp_path), tmp_path)
    for weight in made.module.parameters():
        weight.data.mul_(1.25)

    written = torching.write_back(graph, made)

    onnx.checker.check_model(written)
    assert np.abs(answered(made, kept.rows) - ran(written, kept.rows)).max() < 1e-4
    assert [value.name for value in written.graph.output] == [value.name for value in kept.model.graph.output]


CASES = {
    "a convolution over one side": [("Conv", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1]}, (5, 4, 3, 3))],
    "a padded convolution of stride 2": [
        ("Conv", {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, (5, 4, 3, 3))
    ],
    "the lower side padded more": [
        ("Conv", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "strides": [2, 1]}, (5, 4, 2, 2))
    ],
    "each channel alone": [("Conv", {"kernel_shape": [3, 3], "group": 4, "dilations": [2, 2]}, (8, 1, 3, 3))],
    "pools": [
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ],
    "soft activations": [("HardSwish", {}), ("HardSigmoid", {"alpha": 0.3}), ("Tanh", {}), ("Elu", {"alpha": 0.5})],
    "leaky ones": [("LeakyRelu", {"alpha": 0.2}), ("Softplus", {}), ("Sigmoid", {}), ("Gelu", {})],
    "a mean over axes": [("ReduceMean", {"keepdims": 0}, np.array([2, 3]))],
    "moved axes": [("Transpose", {"perm": [0, 2, 3, 1]}), ("Flatten", {})],
    "a cut": [("Slice", {}, np.array([1, 2]), np.array([8, 99]), np.array([2, 3]), np.array([2, 1]))],
    "a pad": [("Pad", {}, np.array([0, 0, 1, 2, 0, 0, 0, 1]))],
    "between bounds": [("Clip", {}, np.float32(-0.5), np.float32(1))],
    "shapes": [("Unsqueeze", {}, np.array([1])), ("Squeeze", {}, np.array([1])), ("Reshape", {}, np.array([0, 8, -1]))],
    "a choice": [("Gather", {"axis": 2}, np.array([[0, 2], [1, 1]]))],
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_does_in_torch_what_onnx_says(case, tmp_path):
    model = chain(CASES[case])
    path = tmp_path / "model.onnx"
    onnx.save(model, path)

    _, made = torched(path, tmp_path)

    assert np.abs(answered(made, {"x": IMAGES}) - ran(model, {"x": IMAGES})).max() < 1e-5


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([("Sin", {})], "Sin"),
        ([("Pad", {"mode": "reflect"}, np.array([0, 0, 1, 1, 0, 0, 1, 1]))], "mode"),
        ([("AveragePool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"})], "auto_pad"),
        ([("Mean", {})], "Mean"),
    ],
)
def test_what_is_not_known_is_named(steps, named, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(chain(steps), path)

    with pytest.raises(InvalidInput, match=named):
        torched(path, tmp_path)


def test_branches_are_named_as_not_known(tmp_path):
    with pytest.raises(InvalidInput, match="If"):
        torched(zoo.control_flow().save(tmp_path), tmp_path)


def test_a_forest_is_no_network(tmp_path):
    with pytest.raises(InvalidInput, match="no network"):
        torched(zoo.forest().save(tmp_path), tmp_path)


def test_the_scores_are_what_comes_before_softmax_and_the_tail_makes_the_rest(tmp_path):
    from edgewright.hub.optimize.steps.training import torching

    kept = zoo.mlp()
    graph = torching.read(kept.save(tmp_path), context(tmp_path))
    scores = torching.scores_of(graph)
    made = torching.network(graph, scores)

    tail = torching.tail_of(graph, scores)

    assert tail is not None
    told = tail.answers(answered(made, kept.rows))["scores"]
    assert np.abs(told - ran(kept.model, kept.rows)).max() < 1e-5
    assert [node.op_type for node in tail.nodes] == ["Softmax"]


def torched(path: Path, folder: Path):
    from edgewright.hub.optimize.steps.training import torching

    graph = torching.read(path, context(folder))
    return graph, torching.network(graph, graph.outputs[0])


def context(folder: Path) -> StepContext:
    return StepContext(folder=folder, calibration=None)


def answered(made, rows) -> np.ndarray:
    import torch

    with torch.no_grad():
        return made.module.eval()(*(torch.from_numpy(rows[name]) for name in made.inputs)).numpy()


def ran(model: onnx.ModelProto, rows) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: rows[value.name] for value in session.get_inputs()})[0]


def chain(steps) -> onnx.ModelProto:
    """A convolution, then these operators, each with its attributes and constants (or the shape of its weights)."""
    kernel = RANDOM.normal(size=(4, 4, 1, 1)).astype(np.float32)
    nodes, tensors, tensor = (
        [helper.make_node("Conv", ["x", "k"], ["t0"])],
        [numpy_helper.from_array(kernel, "k")],
        "t0",
    )
    for place, (operator, attributes, *constants) in enumerate(steps):
        names = [f"c{place}_{number}" for number in range(len(constants))]
        for name, constant in zip(names, constants, strict=True):
            drawn = RANDOM.normal(size=constant).astype(np.float32) if isinstance(constant, tuple) else constant
            tensors.append(numpy_helper.from_array(np.asarray(drawn), name))
        nodes.append(helper.make_node(operator, [tensor, *names], [f"t{place + 1}"], **attributes))
        tensor = f"t{place + 1}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *IMAGES.shape[1:]])
    y = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "chain", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
