"""Files that people register: which are taken as they are, what is taken into them, and what is refused, and how."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from edgewright.client.sources import prepare
from edgewright.contract.errors import InvalidInput
from edgewright.contract.sources import MAX_SOURCE_BYTES


def save(path: Path, *, location: str = "") -> Path:
    """A model of one MatMul, with its weights at `location`, or inside."""
    weights = numpy_helper.from_array(np.ones((256, 8), np.float32), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 8])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    if location:
        onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def test_a_whole_file_is_taken_as_it_is(tmp_path):
    path = save(tmp_path / "model.onnx")

    assert prepare(path, tmp_path).path == path


def test_a_tflite_file_is_let_through(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))

    assert prepare(path, tmp_path).path == path


def test_weights_beside_a_model_are_taken_into_it(tmp_path):
    path = save(tmp_path / "model.onnx", location="model.onnx.data")
    (folder := tmp_path / "out").mkdir()

    made = prepare(path, folder).path

    whole = onnx.load(made, load_external_data=False)
    assert made.parent == folder
    assert numpy_helper.to_array(whole.graph.initializer[0]).sum() == 256 * 8


def test_weights_outside_the_models_folder_are_refused_with_their_tensor_and_place(tmp_path):
    (tmp_path / "inner").mkdir()
    path = save(tmp_path / "inner" / "model.onnx", location="beside.bin")
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../../etc/passwd"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(InvalidInput, match=r"'weights' lies in '../../etc/passwd', outside") as caught:
        prepare(path, tmp_path)
    assert "save_as_external_data=False" in caught.value.hint


def test_a_link_out_of_the_folder_is_no_way_round(tmp_path):
    (tmp_path / "inner").mkdir()
    path = save(tmp_path / "inner" / "model.onnx", location="beside.bin")
    (tmp_path / "inner" / "beside.bin").rename(tmp_path / "elsewhere.bin")
    (tmp_path / "inner" / "beside.bin").symlink_to(tmp_path / "elsewhere.bin")

    with pytest.raises(InvalidInput, match="outside the model's folder"):
        prepare(path, tmp_path)


def test_weights_that_were_left_behind_are_missed_by_name(tmp_path):
    path = save(tmp_path / "model.onnx", location="model.onnx.data")
    (tmp_path / "model.onnx.data").unlink()

    with pytest.raises(InvalidInput, match=r"'model\.onnx\.data', which is not beside"):
        prepare(path, tmp_path)


@pytest.mark.parametrize("beside", [False, True])
def test_three_gigabytes_are_refused_by_their_size_before_anything_is_read(tmp_path, beside):
    path = save(tmp_path / "model.onnx", location="model.onnx.data" if beside else "")
    os.truncate(tmp_path / "model.onnx.data" if beside else path, 3 * 1024**3)

    with pytest.raises(InvalidInput, match=f"at most {MAX_SOURCE_BYTES:,}"):
        prepare(path, tmp_path)


@pytest.mark.parametrize(
    ("name", "head", "hint"),
    [
        ("model.pkl", b"\x80\x04", "example=X"),
        ("model.joblib", b"\x78\x9c", "example=X"),
        ("model.pt", b"PK\x03\x04", "module itself"),
        ("model.pth", b"no magic at all", "module itself"),
        ("model.h5", b"\x89HDF", "TFLite"),
        ("model.onnx", b"\x80\x04", "Export to ONNX"),
    ],
)
def test_what_may_hold_code_is_refused_with_what_to_do_instead(tmp_path, name, head, hint):
    (tmp_path / name).write_bytes(head + bytes(64))

    with pytest.raises(InvalidInput, match=f"^{name} is ") as caught:
        prepare(tmp_path / name, tmp_path)
    assert hint in caught.value.hint
    assert "--export" in caught.value.hint


@pytest.mark.parametrize("name", ["weights.safetensors", "weights"])
def test_weights_without_code_need_a_command(tmp_path, name):
    save_file({"w": np.ones(3, np.float32)}, tmp_path / name)

    with pytest.raises(InvalidInput, match="holds weights and no model") as caught:
        prepare(tmp_path / name, tmp_path)
    assert "--export 'python export.py'" in caught.value.hint


def test_what_is_no_model_at_all_is_left_for_the_hub_to_explain(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"hello")

    assert prepare(tmp_path / "model.onnx", tmp_path).path == tmp_path / "model.onnx"


def test_a_file_that_is_not_there_is_a_refusal(tmp_path):
    with pytest.raises(InvalidInput, match="cannot read"):
        prepare(tmp_path / "no.onnx", tmp_path)
