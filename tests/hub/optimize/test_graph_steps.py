"""Every step on graphs, on networks of every kind: what all steps keep, what each one does, and what it refuses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Scheme
from edgewright.hub.optimize.model import Outcome, StepPlan
from edgewright.hub.optimize.steps.graphs import plain
from plugins import zoo
from plugins.step_checks import answers, apply, check_params, check_refusals, check_step, stray

CLEAN = StepPlan(name="clean")
STATIC = StepPlan(name="static-int8")
DYNAMIC = StepPlan(name="dynamic-int8")
FP16 = StepPlan(name="fp16")
BF16 = StepPlan(name="bf16")
PRUNE = StepPlan(name="prune", params={"ratio": 0.3, "scope": "model"})
STORED = StepPlan(name="fp16", params={"weights_only": True})
SENSITIVE = StepPlan(name="static-int8", params={"sensitive": 1, "activations": "s8"})
PERCENTILE = StepPlan(name="static-int8", params={"calibrator": "percentile", "per_channel": False})
ENTROPY = StepPlan(name="static-int8", params={"calibrator": "entropy"})

PLANS = (CLEAN, PRUNE, STATIC, SENSITIVE, PERCENTILE, ENTROPY, DYNAMIC, FP16, STORED, BF16)
NAMES = sorted({plan.name for plan in PLANS})
QUICK = (
    (CLEAN, zoo.control_flow),
    (PRUNE, zoo.mlp),
    (STATIC, zoo.two_inputs),
    (SENSITIVE, zoo.conv1d),
    (PERCENTILE, zoo.shared_weights),
    (DYNAMIC, zoo.shared_weights),
    (FP16, zoo.transformer),
    (STORED, zoo.conv1d),
    (BF16, zoo.mlp),
)


def titled(value: object) -> str:
    return str(value) if isinstance(value, StepPlan) else getattr(value, "__name__", str(value))


def check(plan: StepPlan, kept: zoo.Kept, folder: Path, batch: int | None = None) -> Outcome:
    rows = {name: array[: batch or 32] for name, array in kept.rows.items()}
    return check_step(plan, kept.save(folder), kept.save_rows(folder), rows, folder, kept.contract)


def made(plan: StepPlan, kept: zoo.Kept, folder: Path, *, rows: bool = True) -> Path:
    """What the step makes of a model."""
    calibration = kept.save_rows(folder) if rows else None
    return Path(apply(plan, kept.save(folder), calibration, folder / plan.name, kept.contract).path)


def kept_as(model: onnx.ModelProto, kept: zoo.Kept) -> zoo.Kept:
    return zoo.Kept("other", model, kept.rows)


@pytest.mark.parametrize(("plan", "build"), QUICK, ids=titled)
def test_a_step_keeps_what_steps_must_keep(plan, build, tmp_path):
    check(plan, build(), tmp_path)


@pytest.mark.optimize
@pytest.mark.parametrize("build", [*zoo.NETWORKS], ids=titled)
@pytest.mark.parametrize("plan", PLANS, ids=titled)
def test_every_step_keeps_it_on_every_network(plan, build, tmp_path):
    check(plan, build(), tmp_path)


@pytest.mark.optimize
@pytest.mark.parametrize(("build", "batch"), zoo.FIXED, ids=titled)
@pytest.mark.parametrize("plan", PLANS, ids=titled)
def test_every_step_keeps_it_where_the_model_takes_a_fixed_number_of_rows(plan, build, batch, tmp_path):
    check(plan, build(batch=batch), tmp_path, batch)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_checked(name):
    check_params(name)


def test_rows_that_do_not_fit_the_contract_are_refused_by_name(tmp_path):
    check_refusals(STATIC, zoo.two_inputs(), tmp_path)


def test_fewer_rows_than_the_model_takes_at_once_are_refused(tmp_path):
    kept = zoo.mlp(batch=4)
    few = zoo.Kept(kept.name, kept.model, {"x": kept.rows["x"][:3]})

    with pytest.raises(InvalidInput, match="there are 3 rows to calibrate on, and the model takes 4 at once"):
        made(STATIC, few, tmp_path)


@pytest.mark.parametrize("plan", [STATIC, DYNAMIC, FP16, BF16, PRUNE], ids=titled)
def test_a_model_that_is_quantised_already_is_refused_in_words(plan, tmp_path):
    kept = zoo.mlp()
    (tmp_path / "first").mkdir()
    quantised = onnx.load(made(STATIC, kept, tmp_path / "first"))

    with pytest.raises(InvalidInput, match=f"{plan.name} takes models of floats, and this one is quantised already"):
        made(plan, kept_as(quantised, kept), tmp_path)


@pytest.mark.parametrize("plan", [STATIC, DYNAMIC, PRUNE], ids=titled)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(plan, value, tmp_path):
    kept = zoo.with_weight(zoo.mlp(), value)

    with pytest.raises(InvalidInput, match="tensor 'w0' holds numbers that are not finite"):
        made(plan, kept, tmp_path)


@pytest.mark.parametrize("plan", [STATIC, DYNAMIC, FP16, BF16], ids=titled)
def test_a_forest_has_nothing_to_quantise(plan, tmp_path):
    with pytest.raises(InvalidInput, match="nothing to") as raised:
        made(plan, zoo.forest(), tmp_path)

    assert raised.value.field == f"recipe.{plan.name}"


def test_weights_in_another_file_are_refused_by_name(tmp_path):
    kept = zoo.mlp()
    path = tmp_path / "outside.onnx"
    onnx.save(kept.model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)

    with pytest.raises(InvalidInput, match="tensor 'w0' lies in another file"):
        apply(STATIC, path, kept.save_rows(tmp_path), tmp_path / "made", kept.contract)


def test_old_operator_sets_are_lifted_to_what_scales_for_each_channel_need(tmp_path):
    kept = zoo.digits_cnn()
    kept.model.opset_import[0].version = 11  # its operators were the same then

    path = made(STATIC, kept, tmp_path)

    assert onnx.load(path).opset_import[0].version == 13
    assert stray(answers(kept.save(tmp_path), kept.rows), answers(path, kept.rows)) < 0.1


def test_cleaning_drops_exporters_notes_and_shortens_nothing_that_people_look_for(tmp_path):
    kept = zoo.digits_cnn()
    for node in kept.model.graph.node:
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="x" * 500)

    path = made(CLEAN, kept, tmp_path)

    assert path.stat().st_size < kept.model.ByteSize() - 500 * 12
    assert {node.name for node in onnx.load(path).graph.node} == {node.name for node in kept.model.graph.node}


def test_cleaning_names_the_mean_over_an_image_for_what_it_is(tmp_path):
    kept = zoo.resnet8()
    pool = next(node for node in kept.model.graph.node if node.op_type == "GlobalAveragePool")
    pool.op_type = "ReduceMean"
    pool.input.append("axes")
    kept.model.graph.initializer.append(numpy_helper.from_array(np.array([-1, -2]), "axes"))

    path = made(CLEAN, kept, tmp_path)

    assert "ReduceMean" not in {node.op_type for node in onnx.load(path).graph.node}
    assert stray(answers(kept.save(tmp_path), kept.rows), answers(path, kept.rows)) < 1e-6


def test_cleaning_writes_out_no_table_that_a_few_nodes_compute(tmp_path):
    shape = numpy_helper.from_array(np.array([64, 1024]), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["table"]),
        helper.make_node("MatMul", ["x", "table"], ["scores"]),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", w]) for n, w in (("x", 64), ("scores", 1024))]
    graph = helper.make_graph(nodes, "table", values[:1], values[1:], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    kept = zoo.Kept("table", model, {"x": np.ones((4, 64), np.float32)})

    path = made(CLEAN, kept, tmp_path)

    assert path.stat().st_size < 1000


def test_weights_of_old_models_that_callers_could_overwrite_become_constants(tmp_path):
    kept = zoo.mlp()
    kept.model.ir_version = 3
    for tensor in kept.model.graph.initializer:
        kept.model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    seen = zoo.mlp()

    path = Path(apply(CLEAN, kept.save(tmp_path), None, tmp_path / "clean", seen.contract).path)

    assert [value.name for value in onnx.load(path).graph.input] == ["x"]
    assert "Gemm" in {node.op_type for node in onnx.load(path).graph.node}


def test_global_pruning_takes_more_from_layers_of_small_weights(tmp_path):
    kept = zoo.mlp()
    small = next(tensor for tensor in kept.model.graph.initializer if tensor.dims == [64, 64])
    small.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(small) / 100, small.name))

    path = made(PRUNE, kept, tmp_path)

    weights = [numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer if len(t.dims) == 2]
    zeros = {array.shape: np.mean(array == 0) for array in weights}
    assert sum(int((array == 0).sum()) for array in weights) == int(0.3 * sum(array.size for array in weights))
    assert zeros[64, 64] > 0.4 > 0.01 > zeros[20, 64]
    assert not any(np.signbit(array[array == 0]).any() for array in weights)


def test_static_int8_joins_residual_branches_in_eight_bits_and_shares_what_is_equal(tmp_path):
    kept = zoo.resnet8()

    path = made(STATIC, kept, tmp_path)

    model = onnx.load(path)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    sums = [node for node in model.graph.node if node.op_type == "Add"]
    assert len(sums) == 3
    assert all(makers[name] == "DequantizeLinear" for node in sums for name in node.input)
    assert kept.model.ByteSize() / path.stat().st_size > 3.5


def test_transformers_keep_their_sums_in_floats(tmp_path):
    path = made(STATIC, zoo.transformer(), tmp_path)

    model = onnx.load(path)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    assert [makers[node.input[0]] for node in norms] == ["Add", "Add"]


def test_layers_that_people_name_stay_float_with_what_follows_them(tmp_path):
    plan = StepPlan(name="static-int8", params={"keep": "conv_0, gemm_11"})

    path = made(plan, zoo.digits_cnn(), tmp_path)

    model = onnx.load(path)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    named = {node.name: node for node in model.graph.node if node.name}
    assert all(makers.get(name, "") != "DequantizeLinear" for name in named["conv_0"].input)
    assert makers[named["conv_2"].input[1]] == "DequantizeLinear"


def test_a_layer_that_the_model_lacks_is_refused_with_those_it_has(tmp_path):
    plan = StepPlan(name="static-int8", params={"keep": "conv_99"})

    with pytest.raises(InvalidInput, match="the model has no layer 'conv_99'") as raised:
        made(plan, zoo.digits_cnn(), tmp_path)

    assert raised.value.field == "recipe.static-int8.keep"
    assert "conv_0, conv_2" in raised.value.hint


def test_signed_activations_do_not_go_with_unsigned_weights(tmp_path):
    plan = StepPlan(name="static-int8", params={"activations": "s8", "weights": "u8"})

    with pytest.raises(InvalidInput, match="signed activations go with signed weights only"):
        made(plan, zoo.mlp(), tmp_path)


def test_the_layer_that_eight_bits_hurt_most_is_found_and_kept_float(tmp_path):
    kept = zoo.mlp()
    worst = next(tensor for tensor in kept.model.graph.initializer if tensor.dims == [64, 64])
    weights = numpy_helper.to_array(worst).copy()
    weights[0] = 50  # a scale that fits this row leaves no steps for the others
    worst.CopyFrom(numpy_helper.from_array(weights, worst.name))
    layer = next(node.name for node in kept.model.graph.node if worst.name in node.input)
    plan = StepPlan(name="static-int8", params={"sensitive": 1, "per_channel": False})

    outcome = apply(plan, kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "made", kept.contract)

    assert outcome.note.endswith(f"kept float because they hurt most: {layer}")


def test_what_was_done_to_the_numbers_is_told(tmp_path):
    static = check(StepPlan(name="static-int8", params={"calibrator": "percentile"}), zoo.mlp(), tmp_path)
    (tmp_path / "other").mkdir()
    dynamic = check(DYNAMIC, zoo.mlp(), tmp_path / "other")

    assert static.quantisation is not None
    assert dynamic.quantisation is not None
    assert (static.quantisation.calibrator, static.quantisation.calibration_rows) == (Calibrator.PERCENTILE, zoo.ROWS)
    assert (dynamic.quantisation.scheme, dynamic.quantisation.calibrator) == (Scheme.DYNAMIC, None)


def test_dynamic_int8_takes_the_embedding_along_and_leaves_convolutions(tmp_path):
    (tmp_path / "net").mkdir()
    sentence = onnx.load(made(DYNAMIC, zoo.transformer(), tmp_path, rows=False))
    image = onnx.load(made(DYNAMIC, zoo.digits_cnn(), tmp_path / "net", rows=False))

    table = max(sentence.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    assert table.data_type in (TensorProto.INT8, TensorProto.UINT8)
    assert Counter(node.op_type for node in image.graph.node)["Conv"] == 3


def test_what_overflows_in_half_precision_is_kept_in_float32(tmp_path):
    kept = zoo.mlp()
    first, last = (next(t for t in kept.model.graph.initializer if list(t.dims) == d) for d in ([20, 64], [64, 10]))
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first) * np.float32(1e5), first.name))
    last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) / np.float32(1e5), last.name))

    outcome = check(FP16, kept, tmp_path)

    assert "kept float32 because they overflow" in outcome.note


@pytest.mark.parametrize("plan", [STATIC, PERCENTILE, ENTROPY, DYNAMIC, FP16], ids=titled)
def test_layers_behind_an_operator_for_estimators_are_changed_like_others(plan, tmp_path):
    kept = zoo.mlp()
    scaled = kept.model.graph.node.add(op_type="Scaler", domain="ai.onnx.ml", input=["x"], output=["scaled"])
    scaled.attribute.extend([helper.make_attribute("offset", [0.5]), helper.make_attribute("scale", [2.0])])
    for node in kept.model.graph.node[:-1]:
        node.input[:] = ["scaled" if name == "x" else name for name in node.input]
    plain.sort_nodes(kept.model.graph)
    kept.model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))

    check(plan, kept, tmp_path)


@pytest.mark.parametrize("plan", [FP16, STORED, BF16], ids=titled)
def test_half_precision_is_half_the_size(plan, tmp_path):
    kept = zoo.digits_cnn()

    path = made(plan, kept, tmp_path)

    assert kept.model.ByteSize() / path.stat().st_size > 1.95


def test_nodes_are_sorted_by_what_branches_take_from_around_them_too():
    model = zoo.control_flow().model
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([nodes[-1], *nodes[:-1]])

    plain.sort_nodes(model.graph)

    onnx.checker.check_model(model, full_check=True)
