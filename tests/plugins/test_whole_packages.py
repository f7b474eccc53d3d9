"""A package for any of our runtimes passes its trial and serves an app: manifest, golden test, contract and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from edgewright.agent.serve.package import open_package
from edgewright.agent.trial.worker import try_package
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from plugins import small_models
from plugins.small_models import Small


def tflite_int8() -> Small:
    pytest.importorskip("ai_edge_litert", reason="the extra litert is not installed")
    from plugins import small_tflite

    return small_tflite.tflite_int8()


def onnx_int8() -> Small:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    return small_models.onnx_int8()


WAYS = [
    ("onnxruntime", "CPUExecutionProvider", "model.onnx", small_models.onnx_int8),
    ("openvino", "CPU", "model.onnx", onnx_int8),
    ("litert", "XNNPACK", "model.tflite", tflite_int8),
]


@pytest.mark.parametrize(("runtime", "provider", "name", "build"), WAYS, ids=[way[0] for way in WAYS])
def test_an_int8_package_passes_its_trial_and_takes_int8_alone(
    tmp_path: Path, runtime: str, provider: str, name: str, build: Callable[[], Small]
) -> None:
    small = build()
    slot = fill(tmp_path, small, name, Runtime(name=runtime, minimum="1", below="", provider=provider))

    result, _ = try_package(slot, None)

    assert result.ok, result.reason
    package = open_package(slot)
    found = package.infer(package.feeds(small.feeds))["y"]
    assert np.abs(found.astype(int) - small.outputs["y"]).max() <= 1
    with pytest.raises(InvalidInput, match="the contract says int8"):
        package.feeds({"x": np.zeros((1, 4), np.float32)})


def fill(slot: Path, small: Small, name: str, runtime: Runtime) -> Path:
    """A slot with the package of a model that takes and gives int8."""
    contract = Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.INT8, shape=(None, 4)),),
        outputs=(TensorSpec(name="y", dtype=Dtype.INT8, shape=(None, 3), kind=Kind.VALUE),),
    )
    golden = {f"in:{key}": array for key, array in small.feeds.items()}
    golden |= {f"out:{key}": array for key, array in small.outputs.items()}
    schema = build_schema(contract, "m", 1, dict(small.feeds), dict(small.outputs))
    contents = [
        (name, Role.MODEL, small.data),
        ("golden.safetensors", Role.GOLDEN, save(golden)),
        ("reference.bin", Role.REFERENCE, encode_schema(schema)),
    ]
    for file, _, data in contents:
        (slot / file).write_bytes(data)
    manifest = Manifest(
        model="m", version=1, counter=1, target="t", hardware=("x86_64", "aarch64"), recipe=(), lineage_sha256="0" * 64,
        runtime=runtime, contract=contract, budgets=Budgets(latency_p95_ms=1e3, memory_bytes=2**31),
        tolerance=Tolerance(rtol=0.0, atol=1.0, min_argmax_agreement=0.99),
        files=tuple(
            File(name=file, role=role, sha256=manifests.digest(data), size_bytes=len(data))
            for file, role, data in contents
        ),
    )  # fmt: skip
    (slot / "manifest.json").write_bytes(manifests.encode(manifest))
    return slot
