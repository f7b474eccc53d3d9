"""What training learns from: goals, labels, layouts of rows, students, and the limits of each."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.optimize.model import StepPlan
from edgewright.hub.optimize.steps import StepContext, params_of, step
from plugins import zoo
from plugins.digits import run

pytestmark = pytest.mark.optimize

RANDOM = np.random.default_rng(3)
BRIEF = {"epochs": 2, "copies": 1}


def test_labels_find_their_places_whatever_their_order_and_kind():
    from edgewright.hub.optimize.steps.training.learning.goal import places

    assert places(np.array([7, 3, 7]), np.array([7, 5, 3])).tolist() == [0, 2, 0]
    assert places(np.array(["cat", "ant"]), np.array(["ant", "bee", "cat"], object)).tolist() == [2, 0]
    with pytest.raises(InvalidInput, match="names a class '9'; the model knows 7, 5, 3"):
        places(np.array([7, 9]), np.array([7, 5, 3]))


@pytest.mark.parametrize(
    ("shape", "kind", "layout", "row"),
    [
        ((5, 64), Kind.IMAGE, "image", (1, 8, 8)),
        ((5, 8, 8), Kind.IMAGE, "image", (1, 8, 8)),
        ((5, 3, 8, 8), Kind.NUMERIC, "image", (3, 8, 8)),
        ((5, 6, 128), Kind.NUMERIC, "window", (6, 128)),
        ((5, 30), Kind.NUMERIC, "columns", (30,)),
    ],
)
def test_rows_lie_as_the_contract_and_their_axes_say(shape, kind, layout, row, tmp_path):
    from edgewright.hub.optimize.steps.training.learning import layout_of

    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, *shape[1:]), kind=kind, height=8, width=8)
    context = StepContext(folder=tmp_path, calibration=None, contract=Contract(inputs=(spec,), outputs=()))

    assert layout_of(context, "x", np.zeros(shape, np.float32)) == (layout, row)


def test_copies_differ_a_little_and_keep_their_kind():
    from edgewright.hub.optimize.steps.training.learning.rows import Layout, varied

    pictures = RANDOM.integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    columns = RANDOM.normal(size=(50, 4)).astype(np.float32) * [1, 10, 0, 1000]

    changed = varied(pictures, Layout.IMAGE, (16, 16, 3), np.random.default_rng(0))
    noisy = varied(columns.astype(np.float32), Layout.COLUMNS, (4,), np.random.default_rng(0))

    assert changed.dtype == np.uint8
    assert (changed != pictures).any()
    off = np.abs(noisy - columns).mean(axis=0)
    assert off[2] == 0
    assert off[0] < off[1] < off[3] < 100


def test_larger_pictures_get_a_deeper_student():
    from edgewright.hub.optimize.steps.training.learning import Layout
    from edgewright.hub.optimize.steps.training.students import blocks

    depths = [sum(block.stride == 2 for block in blocks(Layout.IMAGE, side)) for side in (8, 16, 32, 96)]

    assert depths == sorted(depths)
    assert 96 / 2 ** depths[-1] <= 8


@pytest.mark.parametrize(
    ("name", "opset"), [("distill", 11), ("qat", 13), ("prune-channels", 11), ("transfer", 20), ("pt2e", 11)]
)
def test_a_yes_or_no_model_of_one_score_is_trained(name, opset, tmp_path):
    """A sigmoid, and a label that is 1 above one half: with one score, the classes are two."""
    model, rows = yes_or_no(tmp_path, opset)

    made = taken(name, model, rows, tmp_path / name, epochs=10)

    answers = [run(each, {"x": rows["x"]})["label"].reshape(-1) for each in (model, Path(made.path))]
    assert (answers[0] == answers[1]).mean() > 0.75


def test_a_model_of_fixed_rows_is_trained_and_keeps_them(tmp_path):
    kept = zoo.conv1d(batch=4)
    rows = dict(kept.rows) | {"label": np.arange(zoo.ROWS) % 6}

    for name in ("distill", "qat", "prune-channels", "transfer"):
        made = taken(name, kept.save(tmp_path), rows, tmp_path / name, contract(kept, Kind.SCORES))

        four = {"x": kept.rows["x"][:4]}
        assert run(Path(made.path), four)["scores"].shape == (4, 6)
        assert onnx.load(made.path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4


def test_pictures_with_channels_last_and_in_bytes_have_a_student(tmp_path):
    """As cameras give them: uint8, height, width, channels."""
    model, rows = camera(tmp_path)

    made = taken("distill", model, rows, tmp_path / "step")

    assert run(Path(made.path), {"x": rows["x"]})["scores"].shape == (len(rows["x"]), 3)


def test_learning_that_runs_away_is_told_with_its_rate(tmp_path):
    kept = zoo.digits_cnn()
    rows = dict(kept.rows) | {"label": np.arange(zoo.ROWS) % 10}
    rows["x"] = rows["x"] * np.float32(1e18)

    with pytest.raises(InvalidInput, match="run away") as raised:
        taken("prune-channels", kept.save(tmp_path), rows, tmp_path / "step", contract(kept, Kind.SCORES))

    assert raised.value.field == "recipe.learning_rate"


def test_rows_that_are_no_numbers_are_named(tmp_path):
    kept = zoo.digits_cnn()
    rows = dict(kept.rows) | {"label": np.arange(zoo.ROWS) % 10}
    rows["x"] = np.where(rows["x"] > 2, np.nan, rows["x"])

    with pytest.raises(InvalidInput, match=r"train\.npz\.x holds numbers that are not finite"):
        taken("prune-channels", kept.save(tmp_path), rows, tmp_path / "step", contract(kept, Kind.SCORES))


def test_outputs_that_name_no_class_teach_nothing(tmp_path):
    kept = zoo.digits_cnn()
    rows = dict(kept.rows) | {"label": np.arange(zoo.ROWS) % 10}

    with pytest.raises(InvalidInput, match="name no class"):
        taken("qat", kept.save(tmp_path), rows, tmp_path / "step", kept.contract)


def test_rows_beyond_the_limit_are_spread_evenly(tmp_path, monkeypatch):
    from edgewright.hub.optimize.steps.training.learning import labelled, rows

    monkeypatch.setattr(rows, "MAX_ROWS", 20)
    np.savez(tmp_path / "train.npz", x=np.arange(191.0)[:, None], label=np.arange(191))
    context = StepContext(folder=tmp_path, calibration=None, train=tmp_path / "train.npz", label_key="label")

    assert labelled(context, ("x",)).truth.tolist() == list(range(0, 191, 10))


def contract(kept: zoo.Kept, kind: Kind) -> Contract:
    outputs = tuple(msgspec.structs.replace(spec, kind=kind) for spec in kept.contract.outputs)
    return msgspec.structs.replace(kept.contract, outputs=outputs)


def taken(name: str, model: Path, rows, folder: Path, wanted: Contract | None = None, **params):
    folder.mkdir()
    np.savez(folder.parent / "train.npz", **rows)
    np.savez(folder.parent / "calibration.npz", **{each: rows[each] for each in rows if each != "label"})
    context = StepContext(
        folder=folder,
        calibration=folder.parent / "calibration.npz",
        train=folder.parent / "train.npz",
        label_key="label",
        contract=wanted or found(model),
    )
    params = {} if name == "pt2e" else BRIEF | params
    return step(name).apply(model, params_of(StepPlan(name=name, params=params)), context)


def found(model: Path) -> Contract:
    """What the hub would infer: floats are scores, integers labels."""
    graph = onnx.load(model).graph
    kinds = {TensorProto.FLOAT: (Dtype.FLOAT32, Kind.SCORES), TensorProto.INT64: (Dtype.INT64, Kind.LABEL)}
    kinds |= {TensorProto.UINT8: (Dtype.UINT8, Kind.NUMERIC)}
    inputs, outputs = (
        [_spec(value, *kinds[value.type.tensor_type.elem_type]) for value in ports]
        for ports in (graph.input, graph.output)
    )
    inputs = [msgspec.structs.replace(spec, kind=Kind.NUMERIC) for spec in inputs]
    return Contract(inputs=tuple(inputs), outputs=tuple(outputs))


def _spec(value, dtype: Dtype, kind: Kind) -> TensorSpec:
    shape = tuple(axis.dim_value or None for axis in value.type.tensor_type.shape.dim)
    return TensorSpec(name=value.name, dtype=dtype, shape=shape, kind=kind)


def yes_or_no(folder: Path, opset: int):
    chance = np.random.default_rng(3)
    rows, *weights = (chance.normal(size=size).astype(np.float32) for size in ((300, 6), (6, 16), (16, 1)))
    middle = np.median(np.maximum(rows @ weights[0], 0) @ weights[1])
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["s"]),
        helper.make_node("Add", ["s", "c"], ["t"]),
        helper.make_node("Sigmoid", ["t"], ["p"]),
        helper.make_node("Greater", ["p", "half"], ["is_one"]),
        helper.make_node("Cast", ["is_one"], ["label"], to=TensorProto.INT64),
    ]
    tensors = {"a": weights[0], "b": weights[1], "c": np.float32([-middle]), "half": np.float32(0.5)}
    model = saved(
        folder, nodes, tensors, (TensorProto.FLOAT, ["n", 6]), {"label": (TensorProto.INT64, ["n", 1])}, opset
    )
    return model, {"x": rows, "label": run(model, {"x": rows})["label"].reshape(-1)}


def camera(folder: Path):
    kernel, weights = RANDOM.normal(size=(4, 3, 3, 3)), RANDOM.normal(size=(3, 4))
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["c"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["c", "k"], ["y"], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["y"], ["g"]),
        helper.make_node("Flatten", ["g"], ["v"]),
        helper.make_node("Gemm", ["v", "w"], ["scores"], transB=1),
    ]
    tensors = {"k": kernel.astype(np.float32), "w": weights.astype(np.float32)}
    model = saved(
        folder, nodes, tensors, (TensorProto.UINT8, ["n", 12, 12, 3]), {"scores": (TensorProto.FLOAT, ["n", 3])}, 18
    )
    rows = RANDOM.integers(0, 256, (40, 12, 12, 3)).astype(np.uint8)
    return model, {"x": rows, "label": np.arange(40) % 3}


def saved(folder: Path, nodes, tensors, taken, given, opset: int) -> Path:
    outputs = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in given.items()]
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "small", [helper.make_tensor_value_info("x", *taken)], outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), folder / "m.onnx")
    return folder / "m.onnx"
