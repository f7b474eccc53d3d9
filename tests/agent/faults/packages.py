"""Packages whose model really loads and answers: a tiny ONNX model, of which each release is the one before and more.

Protocol buffers that are written one behind the other are one message, whose last `model_version` counts. So release n
is release n - 1 with something behind it, as the deltas of tests/agent/device.py want it, and says which one it is.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnxruntime
from device import Releases
from onnx import ModelProto, StringStringEntryProto, TensorProto, helper
from safetensors.numpy import save

from edgewright.agent import Model
from edgewright.contract.manifest import Budgets, Manifest, Tolerance
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

CONTRACT = Contract(
    inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 4), kind=Kind.NUMERIC),),
    outputs=(TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 4), kind=Kind.VALUE),),
)
ROWS = np.arange(32, dtype=np.float32).reshape(8, 4)
FILLER_BYTES = 900
SHARED = b"a table that every model of this device brings along" * 40


class RealReleases(Releases):
    """`releases.install(n)` is a package that passes every check of this device, and answers `ROWS` with twice them."""

    def files(self, counter: int) -> dict[str, bytes]:
        return {
            "model.onnx": model(counter),
            "golden.safetensors": save({"in:x": ROWS, "out:y": ROWS * 2}),
            "reference.bin": encode_schema(_schema()),
        }

    def manifest(self, counter: int, **changes) -> Manifest:
        facts = {
            "contract": CONTRACT,
            "hardware": ("x86_64", "aarch64"),
            "budgets": Budgets(latency_p95_ms=1000.0, memory_bytes=2**31),
            "tolerance": Tolerance(rtol=1e-5, atol=1e-6, min_argmax_agreement=1.0),
        }
        return super().manifest(counter, **{**facts, **changes})


@functools.cache
def model(counter: int) -> bytes:
    """The ONNX model of a release."""
    if counter == 0:
        return _first()
    more = ModelProto(model_version=counter)
    more.metadata_props.append(StringStringEntryProto(key=f"release {counter}", value=f"{counter} " * FILLER_BYTES))
    return model(counter - 1) + more.SerializeToString()


def answering_counter(root: Path, name: str = "digits") -> int:
    """The release that an app on this device gets right answers from; 0 where none is installed.

    Raises whatever an app would see of a device that has a package and cannot infer with it.
    """
    with Model(name, root) as app:
        if not app.counter:
            return 0
        np.testing.assert_allclose(app.predict(x=ROWS)["y"], ROWS * 2)
        return app.counter


def version_inside(data: bytes) -> int:
    """What the model itself says that it is."""
    return onnxruntime.InferenceSession(data).get_modelmeta().version


@functools.cache
def _first() -> bytes:
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [two],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@functools.cache
def _schema():
    return build_schema(CONTRACT, "digits", 1, {"x": ROWS}, {"y": ROWS * 2})
