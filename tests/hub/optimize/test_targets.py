"""The library of targets, and what is said of one that it lacks."""

from __future__ import annotations

import pytest

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Precision, UnknownTarget
from edgewright.hub.optimize.targets import FOLDER, read_folder, records, target, targets


def test_every_file_of_the_library_is_a_valid_target():
    assert {"cpu-fp32", "cpu-int8", "x86-64-vnni", "raspberry-pi-5", "raspberry-pi-4"} <= set(targets())


def test_precision_follows_from_the_target_s_own_data():
    assert target("cpu-fp32").precision is Precision.FP32
    assert target("cpu-int8").precision is Precision.INT8


def test_a_record_says_runtime_and_architectures():
    record = next(one for one in records() if one.id == "raspberry-pi-5")

    assert record.arch == ("aarch64",)
    assert record.runtime.startswith("onnxruntime >=")
    assert record.provider == "CPUExecutionProvider"


def test_an_unknown_target_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownTarget) as caught:
        target("cpu-int9")

    assert caught.value.field == "target"
    assert caught.value.exit_code == 2
    assert "cpu-int8" in caught.value.hint


def test_an_unknown_target_like_none_is_refused_with_all_known_ones():
    with pytest.raises(UnknownTarget) as caught:
        target("zzz")

    assert "cpu-fp32" in caught.value.hint
    assert "raspberry-pi-4" in caught.value.hint


def test_a_target_file_with_a_wrong_field_is_refused_by_file_and_field(tmp_path):
    path = tmp_path / "cpu-fp32.toml"
    path.write_text((FOLDER / "cpu-fp32.toml").read_text().replace("opset = 21", 'opset = "new"'))

    with pytest.raises(InvalidInput, match=r"cpu-fp32.toml: .*opset"):
        read_folder(tmp_path)


def test_a_target_file_must_be_named_after_its_id(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text((FOLDER / "cpu-fp32.toml").read_text())

    with pytest.raises(InvalidInput, match="not the file's name"):
        read_folder(tmp_path)
