"""What `edgewright.agent.Model` costs over a bare ONNX Runtime session: p50 of single-row requests, profiles on.

Left out: the shadow phase and the collection of samples, which are rare, and requests of many rows, where the session
itself dominates.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import save
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from edgewright.agent import Model, states
from edgewright.agent.disk.spool import Writer
from edgewright.agent.serve.package import open_package
from edgewright.agent.serve.recorder import Outbox, Recorder, read_source
from edgewright.agent.states import ModelRecord, SlotRecord
from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

REQUESTS = 4000
ROUNDS = 7
BOUND_US = 15.0


def main() -> None:
    """Print one JSON line per figure."""
    digits, wine = load_digits(), load_wine()
    network = MLPClassifier((64,), max_iter=60, random_state=0).fit(digits.data / 16, digits.target)
    forest = RandomForestClassifier(50, random_state=0).fit(wine.data, wine.target)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        image = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8)
        columns = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 13), names=tuple(wine.feature_names))
        measure("digits", root, network, (digits.data / 16).astype(np.float32), image)
        measure("wine", root, forest, wine.data.astype(np.float32), columns)


def measure(name: str, root: Path, estimator: object, rows: np.ndarray, spec: TensorSpec) -> None:
    """Ours and the peer take turns on the same model and rows, in this process."""
    slot = install(name, root, estimator, rows, spec)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(slot / "model.onnx"), options, providers=["CPUExecutionProvider"])
    requests = [np.ascontiguousarray(rows[n % len(rows)][None]) for n in range(REQUESTS)]
    package = open_package(slot)
    answer = package.infer({"x": requests[0]})
    recorder = Recorder(Outbox(Writer(root / "spool", "bench"), "bench", time.time), "bench", time.time)
    source = read_source(slot, package.manifest)
    with Model(name, root) as model:
        calls: dict[str, Callable[[np.ndarray], object]] = {
            "model": lambda x: model.predict(x=x),
            "bare": lambda x: session.run(None, {"x": x}),
            "profile": lambda x: recorder.count(source, {"x": x}, answer, 1e-5),
        }
        p50, mean = timed(calls, requests)
    added_us = p50["model"] - p50["bare"]
    figure(f"{name}: predict p50, profiles on", p50["model"], p50["bare"])
    figure(f"{name}: predict mean, profiles on", mean["model"], mean["bare"])
    figure(f"{name}: added p50 apart from the profile", added_us - p50["profile"], p50["bare"], BOUND_US)
    figure(f"{name}: profile, mean a row", mean["profile"], p50["bare"])


def timed(
    calls: dict[str, Callable[[np.ndarray], object]], requests: list[np.ndarray]
) -> tuple[dict[str, float], dict[str, float]]:
    """p50 and mean microseconds of each call: the best of several rounds, in turns."""
    p50: dict[str, float] = {}
    mean: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            took_us = np.empty(len(requests))
            for n, request in enumerate(requests):
                started = time.perf_counter()
                call(request)
                took_us[n] = (time.perf_counter() - started) * 1e6
            p50[name] = min(p50.get(name, np.inf), float(np.median(took_us)))
            mean[name] = min(mean.get(name, np.inf), float(took_us.mean()))
    return p50, mean


def figure(name: str, ours_us: float, peer_us: float, bound: float | None = None) -> None:
    """One line, as DESIGN §10 says."""
    line = {
        "figure": name,
        "ours": round(ours_us, 2),
        "peer": round(peer_us, 2),
        "peer_name": "onnxruntime session",
        "ratio": round(ours_us / peer_us, 3),
        "unit": "us",
        "bound": bound,
        "holds": bound is None or ours_us <= bound,
    }
    print(json.dumps(line), flush=True)


def install(name: str, root: Path, estimator: object, rows: np.ndarray, spec: TensorSpec) -> Path:
    """Put the model into slot a of an agent's folder."""
    options = {id(estimator): {"zipmap": False}}
    types = [("x", FloatTensorType([None, rows.shape[1]]))]
    onnx = to_onnx(estimator, initial_types=types, options=options, target_opset=18).SerializeToString()
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


if __name__ == "__main__":
    main()
