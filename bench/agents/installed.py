"""Models as an agent leaves them on the disk, for what is measured on them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import save
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from edgewright.agent import states
from edgewright.agent.states import ModelRecord, SlotRecord
from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec


def as_onnx(estimator: object, columns: int) -> bytes:
    """A classifier of scikit-learn: x in, label and probabilities out."""
    options = {id(estimator): {"zipmap": False}}
    types = [("x", FloatTensorType([None, columns]))]
    onnx: bytes = to_onnx(estimator, initial_types=types, options=options, target_opset=18).SerializeToString()
    return onnx


def install(name: str, root: Path, onnx: bytes, rows: np.ndarray, spec: TensorSpec) -> Path:
    """Put the model into slot a of an agent's folder; it takes `x` and answers label and probabilities."""
    answers = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"]).run(None, {"x": rows})
    outputs = dict(zip(("label", "probabilities"), answers, strict=True))
    classes = outputs["probabilities"].shape[1]
    contract = Contract(
        inputs=(spec,),
        outputs=(
            TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL),
            TensorSpec(name="probabilities", dtype=Dtype.FLOAT32, shape=(None, classes), kind=Kind.SCORES),
        ),
    )
    schema = build_schema(contract, name, 1, {"x": rows}, outputs)
    golden = {"in:x": rows[:16]} | {f"out:{key}": array[:16] for key, array in outputs.items()}
    contents = {
        Role.MODEL: ("model.onnx", onnx),
        Role.GOLDEN: ("golden.safetensors", save(golden)),
        Role.REFERENCE: ("reference.bin", encode_schema(schema)),
    }
    slot = root / "models" / name / "a"
    slot.mkdir(parents=True)
    for file, data in contents.values():
        (slot / file).write_bytes(data)
    data = manifests.encode(_manifest(name, contract, contents))
    (slot / "manifest.json").write_bytes(data)
    held = SlotRecord(counter=1, version=1, manifest_sha256=manifests.digest(data), target="any")
    record = ModelRecord(model=name, active="a", slots={"a": held, "b": None})
    (slot.parent / "state.json").write_bytes(states.encode(record))
    return slot


def _manifest(name: str, contract: Contract, contents: dict[Role, tuple[str, bytes]]) -> Manifest:
    return Manifest(
        model=name,
        version=1,
        counter=1,
        target="any",
        hardware=("x86_64", "aarch64"),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below="2"),
        files=tuple(
            File(name=file, role=role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for role, (file, data) in contents.items()
        ),
        contract=contract,
        budgets=Budgets(latency_p95_ms=1000.0, memory_bytes=2**31),
        tolerance=Tolerance(rtol=1e-3, atol=1e-4, min_argmax_agreement=0.99),
        recipe=(),
        lineage_sha256="0" * 64,
    )
