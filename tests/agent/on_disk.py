"""Real models in slots as the supervisor leaves them: digits by scikit-learn, as ONNX."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from edgewright.agent import states
from edgewright.agent.disk import policy as policies
from edgewright.agent.disk.policy import Policy
from edgewright.agent.states import ModelRecord, SlotRecord
from edgewright.contract import manifest as manifests
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

CONTRACT = Contract(
    inputs=(TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8),),
    outputs=(
        TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL, names=tuple("0123456789")),
        TensorSpec(name="probabilities", dtype=Dtype.FLOAT32, shape=(None, 10), kind=Kind.SCORES),
    ),
)


@dataclass(frozen=True)
class Trained:
    """A trained model: its ONNX bytes, and what it answers to `images`."""

    onnx: bytes
    images: np.ndarray
    label: np.ndarray
    probabilities: np.ndarray


def train(images: np.ndarray, labels: np.ndarray) -> Trained:
    model = LogisticRegression(max_iter=100).fit(images[:1000], labels[:1000])
    options = {id(model): {"zipmap": False}}
    onnx = to_onnx(model, initial_types=[("image", FloatTensorType([None, 64]))], options=options, target_opset=18)
    probabilities = model.predict_proba(images).astype(np.float32)
    return Trained(onnx.SerializeToString(), images, model.predict(images), probabilities)


class ModelOnDisk:
    """DIR/models/<name> as the supervisor leaves it."""

    def __init__(self, root: Path, name: str = "digits") -> None:
        self.root = root
        self.name = name
        self.folder = root / "models" / name
        self.folder.mkdir(parents=True)
        self.record = ModelRecord(model=name)

    def slot(self, slot: str) -> Path:
        return self.folder / slot

    def pack(self, slot: str, trained: Trained, version: int = 1, **changes: Any) -> Path:
        """Fill a slot with a package of `trained`; `changes` are fields of the manifest, or 'golden' outputs."""
        golden = changes.pop("golden", {"label": trained.label[:64], "probabilities": trained.probabilities[:64]})
        arrays = {"in:image": trained.images[:64]} | {f"out:{name}": array for name, array in golden.items()}
        outputs = {"label": trained.label, "probabilities": trained.probabilities}
        schema = build_schema(CONTRACT, self.name, version, {"image": trained.images}, outputs)
        contents = {
            Role.MODEL: ("model.onnx", trained.onnx),
            Role.GOLDEN: ("golden.safetensors", save(arrays)),
            Role.REFERENCE: ("reference.bin", encode_schema(schema)),
        }
        folder = self.slot(slot)
        folder.mkdir(exist_ok=True)
        for name, data in contents.values():
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_bytes(data)
        manifest = msgspec.structs.replace(_manifest(self.name, version, contents), **changes)
        (folder / "manifest.json").write_bytes(manifests.encode(manifest))
        return folder

    def activate(self, slot: str) -> None:
        """Save the record that makes `slot` the active one; what is in the other slot stays known."""
        data = {name: self._slot_record(name) for name in ("a", "b")}
        self.record = msgspec.structs.replace(
            self.record, active=slot, slots=data, generation=self.record.generation + 1
        )
        self.save(states.encode(self.record))

    def save(self, data: bytes) -> None:
        for name in ("state.json", "state.json.bak"):
            self._replace(name, data)

    def ask(self, policy: Policy) -> None:
        self._replace(policies.NAME, policies.encode(policy))

    def _replace(self, name: str, data: bytes) -> None:
        aside = self.folder / f"{name}.new"
        aside.write_bytes(data)
        aside.replace(self.folder / name)

    def _slot_record(self, slot: str) -> SlotRecord | None:
        path = self.slot(slot) / "manifest.json"
        if not path.exists():
            return None
        data = path.read_bytes()
        manifest = manifests.decode(data)
        return SlotRecord(
            counter=manifest.counter,
            version=manifest.version,
            manifest_sha256=manifests.digest(data),
            target=manifest.target,
        )


def _manifest(name: str, version: int, contents: dict[Role, tuple[str, bytes]]) -> Manifest:
    return Manifest(
        model=name,
        version=version,
        counter=version * 10,
        target="any",
        hardware=("x86_64", "aarch64"),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below="2"),
        files=tuple(
            File(name=file, role=role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for role, (file, data) in contents.items()
        ),
        contract=CONTRACT,
        budgets=Budgets(latency_p95_ms=1000.0, memory_bytes=2**31),
        tolerance=Tolerance(rtol=1e-3, atol=1e-4, min_argmax_agreement=0.99),
        recipe=(),
        lineage_sha256="0" * 64,
        data=DataPolicy(may_leave=True),
    )
