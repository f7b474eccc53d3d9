"""What `edgewright.agent.Model` costs over a bare ONNX Runtime session: p50 of single-row requests.

Profiles are counted and vitals are kept. Left out: the shadow phase and the collection of samples, which are rare, and
requests of many rows, where the session itself dominates.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from agents.figures import figure
from agents.installed import as_onnx, install
from edgewright.agent import Model
from edgewright.agent.disk import Writer
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.serve.learning.accounts import Accounts
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.learning.recorder import Recorder, read_source
from edgewright.agent.serve.package import open_package
from edgewright.contract.tensors import Dtype, Kind, TensorSpec

REQUESTS = 4000
ROUNDS = 7
MORE_US, MORE_SHARE = 15.0, 0.03
PEER = "onnxruntime session"


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    digits, wine = load_digits(), load_wine()
    network = MLPClassifier((64,), max_iter=60, random_state=0).fit(digits.data / 16, digits.target)
    forest = RandomForestClassifier(50, random_state=0).fit(wine.data, wine.target)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        image = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8)
        columns = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 13), names=tuple(wine.feature_names))
        small = measure("digits", root, as_onnx(network, 64), (digits.data / 16).astype(np.float32), image)
        large = measure("wine", root, as_onnx(forest, 13), wine.data.astype(np.float32), columns)
    return 0 if small and large else 1


def measure(name: str, root: Path, onnx: bytes, rows: np.ndarray, spec: TensorSpec) -> bool:
    """Ours and the peer take turns on the same model and rows, in this process."""
    slot = install(name, root, onnx, rows, spec)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(slot / "model.onnx"), options, providers=["CPUExecutionProvider"])
    requests = [np.ascontiguousarray(rows[n % len(rows)][None]) for n in range(REQUESTS)]
    package = open_package(slot)
    answer = package.infer({"x": requests[0]})
    outbox = Outbox(Writer(root / "spool", "bench"), "bench", time.time)
    recorder = Recorder(outbox, "bench", time.time, Accounts(root, "bench"))
    source = read_source(slot, package.manifest)
    vitals = Vitals.create(root / "run" / "vitals", name, "0" * 64)
    with Model(name, root) as model:
        calls: dict[str, Callable[[np.ndarray], object]] = {
            "model": lambda x: model.predict(x=x),
            "bare": lambda x: session.run(None, {"x": x}),
            "profile": lambda x: recorder.count(source, {"x": x}, answer, 1e-5),
            "vitals": lambda _: vitals.end(vitals.begin()),
        }
        p50, mean = timed(calls, requests)
    added_us = p50["model"] - p50["bare"]
    allowed_us = max(MORE_US, MORE_SHARE * p50["bare"])
    bound = f"adds <= max({MORE_US:.0f} us, {MORE_SHARE:.0%})"
    parts = {"added": round(added_us, 2), "of it profile": round(p50["profile"], 2), "vitals": round(p50["vitals"], 2)}
    holds = figure(
        f"{name}: predict p50, profiles and vitals on",
        p50["model"],
        p50["bare"],
        PEER,
        "us",
        bound=bound,
        holds=added_us <= allowed_us,
        **parts,
    )
    figure(f"{name}: predict mean, profiles and vitals on", mean["model"], mean["bare"], PEER, "us")
    return holds


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


if __name__ == "__main__":
    sys.exit(main())
