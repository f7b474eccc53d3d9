"""A .tflite file is looked into as an ONNX file is: in a child, whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgewright.contract.api import ModelFormat, Precision
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Dtype, Kind
from edgewright.hub.registry.inspect import inspect_source
from plugins import small_models, small_tflite


def test_the_contract_of_a_tflite_file_is_that_of_its_signature(tmp_path: Path) -> None:
    facts = inspect_source(written(tmp_path, small_tflite.tflite_linear().data))

    (x,), (scores,) = facts.contract.inputs, facts.contract.outputs
    assert (x.name, x.dtype, x.shape) == ("x", Dtype.FLOAT32, (None, 4))
    assert (scores.name, scores.kind, scores.shape) == ("scores", Kind.SCORES, (None, 3))
    assert (facts.format, facts.is_network, facts.parameters) == (ModelFormat.TFLITE, True, 12)


def test_a_tflite_file_made_for_one_row_takes_any_number_of_them(tmp_path: Path) -> None:
    facts = inspect_source(written(tmp_path, small_tflite.tflite_linear(batch=1).data))

    assert facts.contract.inputs[0].shape == (None, 4)


def test_an_int8_tflite_file_keeps_its_bytes_at_the_door(tmp_path: Path) -> None:
    facts = inspect_source(written(tmp_path, small_tflite.tflite_int8().data))

    assert [spec.dtype for spec in (*facts.contract.inputs, *facts.contract.outputs)] == [Dtype.INT8, Dtype.INT8]
    assert facts.precision is Precision.INT8


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_tflite_file_that_is_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    data = small_tflite.tflite_linear().data

    with pytest.raises(InvalidInput) as refused:
        inspect_source(written(tmp_path, data[: int(len(data) * share)]))

    assert refused.value.field == "source"


def test_a_tflite_file_with_nan_among_its_weights_is_refused(tmp_path: Path) -> None:
    data = small_tflite.tflite_linear().data
    weight = np.ascontiguousarray(small_models.WEIGHTS.T).tobytes()[:8]
    broken = data.replace(weight, struct.pack("<ff", float("nan"), 1.0))

    with pytest.raises(InvalidInput, match="'w' holds NaN"):
        inspect_source(written(tmp_path, broken))


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return path
