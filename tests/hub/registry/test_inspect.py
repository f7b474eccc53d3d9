"""What the hub learns of an uploaded model, and which files it will not touch."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.registry.inspect import Refusal, confirm_contract, inspect_source
from edgewright.hub.registry.inspector import Refused, examine


def linear(weights: np.ndarray | None = None) -> onnx.ModelProto:
    """y[N, 3] = x[N, 4] @ w."""
    weights = np.ones((4, 3), np.float32) if weights is None else weights
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refusal(path: Path, **limits: float) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        inspect_source(path, **limits)
    assert caught.value.field == "source"
    return caught.value


def refused(data: bytes) -> Refusal:
    """What the child would answer; these files are our own, so they may be read here, which is quick."""
    with pytest.raises(Refused) as caught:
        examine(data)
    return caught.value.refusal


def test_a_network_tells_its_contract_its_operators_and_its_size(tmp_path):
    facts = inspect_source(write(tmp_path, linear()))

    assert facts.contract == Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 4), kind=Kind.NUMERIC),),
        outputs=(TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES),),
    )
    assert (facts.op_types, facts.parameters, facts.opset, facts.ir_version) == (("MatMul",), 12, 17, 9)
    assert facts.is_network
    assert not facts.is_forest


def test_a_forest_is_told_from_a_network(wine):
    facts = examine(wine.path.read_bytes())

    assert facts.is_forest
    assert not facts.is_network
    assert [spec.kind for spec in facts.contract.outputs] == [Kind.LABEL, Kind.SCORES]


@pytest.mark.parametrize(
    "data",
    [pickle.dumps({"a": 1}, protocol) for protocol in (2, 3, 4, 5)] + [bytes.fromhex("789c") + bytes(20)],
    ids=["pickle 2", "pickle 3", "pickle 4", "pickle 5", "compressed joblib"],
)
def test_a_pickle_is_refused_before_anything_reads_it(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)

    error = refusal(path)

    assert "Edgewright never loads pickles" in error.message
    assert "to_onnx" in error.hint


def test_archives_are_refused(tmp_path):
    zipped, gzipped = tmp_path / "model.pt", tmp_path / "model.gz"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("data.pkl", b"x")
    gzipped.write_bytes(gzip.compress(b"x"))

    assert "ZIP archive" in refusal(zipped).message
    assert "gzip archive" in refusal(gzipped).message


def test_a_file_that_is_cut_short_is_called_so():
    data = linear().SerializeToString()

    for length in range(1, len(data) - 1):
        assert "cut short" in refused(data[:length]).message


@pytest.mark.parametrize("data", [b"hello, I am a text file\n", bytes(range(256)) * 8, bytes(4096)])
def test_what_is_no_onnx_is_refused(data):
    refused(data)


@pytest.mark.parametrize(
    ("location", "said"), [("../../etc/passwd", "outside the model's folder"), ("weights.bin", "'weights.bin'")]
)
def test_external_data_is_refused_with_its_tensor_and_place(location, said):
    model = linear()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)

    error = refused(model.SerializeToString())

    assert "tensor 'w'" in error.message
    assert location in error.message
    assert said in error.message
    assert "single files" in error.hint


def test_external_data_inside_a_node_is_found_too():
    model = linear()
    hidden = numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    hidden.data_location = TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], name="inner", value=hidden))

    error = refused(model.SerializeToString())

    assert "attribute 'value' of Constant 'inner'" in error.message
    assert "outside the model's folder" in error.message


def test_nan_weights_are_refused_with_their_tensor():
    weights = np.ones((4, 3), np.float32)
    weights[2, 1] = np.nan

    error = refused(linear(weights).SerializeToString())

    assert error.message == "tensor 'w' holds NaN"


def test_a_tensor_that_is_shorter_than_its_shape_is_refused():
    model = linear()
    model.graph.initializer[0].dims[0] = 40_000_000

    assert "tensor 'w' is damaged" in refused(model.SerializeToString()).message


def test_an_unknown_operator_is_refused_by_name():
    model = linear()
    model.graph.node[0].op_type = "Frobnicate"

    assert "Frobnicate" in refused(model.SerializeToString()).message


def test_a_map_of_scores_is_refused_with_the_option_that_avoids_it():
    model = linear()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    model.graph.node.append(
        helper.make_node("ZipMap", ["y"], ["scores"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    )
    by_class = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    model.graph.output.append(helper.make_value_info("scores", helper.make_sequence_type_proto(by_class)))

    error = refused(model.SerializeToString())

    assert "output 'scores'" in error.message
    assert "zipmap" in error.hint


def test_the_child_answers_a_refusal_with_its_field_and_hint(tmp_path):
    weights = np.full((4, 3), np.nan, np.float32)

    error = refusal(write(tmp_path, linear(weights)))

    assert error.message == "tensor 'w' holds NaN"
    assert "train again" in error.hint


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.touch()

    assert refusal(path).message == "the model file is empty"


def test_a_file_over_the_limit_is_refused_by_its_size(tmp_path):
    error = refusal(write(tmp_path, linear()), max_bytes=50)

    assert "at most 50 are taken" in error.message


def test_an_inspection_that_takes_too_long_is_a_refusal(tmp_path):
    error = refusal(write(tmp_path, linear()), timeout_s=0.01)

    assert "did not end in time" in error.message


def test_a_contract_that_fits_is_confirmed_with_its_own_kinds_and_names():
    inferred = contract(names=())

    confirm_contract(contract(names=("red", "green", "blue")), inferred)


def test_a_contract_that_does_not_fit_is_refused_with_every_difference():
    inferred = contract()
    given = msgspec.structs.replace(
        inferred,
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT64, shape=(None, 5)),),
        outputs=(TensorSpec(name="z", dtype=Dtype.FLOAT32, shape=(None, 3)),),
    )

    with pytest.raises(InvalidInput) as caught:
        confirm_contract(given, inferred)

    assert caught.value.field == "contract.inputs.x.dtype"
    for part in ("contract.inputs.x.dtype", "contract.inputs.x.shape", "contract.outputs.z"):
        assert part in caught.value.message


def test_a_contract_must_name_every_input():
    with pytest.raises(InvalidInput) as caught:
        confirm_contract(msgspec.structs.replace(contract(), inputs=()), contract())

    assert caught.value.field == "contract.inputs.x"


def contract(names: tuple[str, ...] = ()) -> Contract:
    return Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 4)),),
        outputs=(TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES, names=names),),
    )
