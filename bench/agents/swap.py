"""A swap of the model under 200 requests a second: what fails, and p99 during the swaps against p99 before them.

Over the Unix socket, the supervisor's part replaces a real serving worker: a new process loads beside the old one,
which then drains. In process, an app with `edgewright.agent.Model` follows the state file, as the agent writes it.

The client is a process of its own and asks on one kept connection. It sends by the clock and not when the answer
has come, and a latency counts from when its request was due: so a pause costs every request that it holds up.
A swap lasts from the order until the old worker has gone (in process: until the new version answers), and is counted as
a second at least, for a p99 needs a hundred requests. It is held against the same time right before the order. The
figure is the median over all swaps: other work on the machine hits a few of them, before or during.
"""

from __future__ import annotations

import http.client
import json
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from agents.figures import figure
from agents.installed import as_onnx, install
from edgewright.agent import Model, states
from edgewright.agent.disk import Settings, durable
from edgewright.agent.disk.vitals import FOLDER
from edgewright.agent.link import Chance
from edgewright.agent.states import Active, ModelRecord, SlotRecord
from edgewright.agent.system import Bell
from edgewright.agent.workers import Workers
from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Role
from edgewright.contract.profile import decode_schema, encode_schema
from edgewright.contract.tensors import Dtype, Kind, TensorSpec

MODEL = "digits"
RATE = 200
BEFORE_S = 5.0
SWAPS = 15
PAUSE_S = 2.5  # between swaps
SPAN_S = 1.0
BOUND = 2.0


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((64,), max_iter=60, random_state=0).fit(images, digits.target)
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.NUMERIC)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first = install(MODEL, root, as_onnx(network, 64), images, spec)
        packages = [_active(first, 1), _active(_second(first), 2)]
        over_socket = _tell("over the Unix socket", *swap_worker(root, packages))
        in_process = _tell("in process", *swap_app(root, packages))
    return 0 if over_socket and in_process else 1


Span = tuple[float, float]
Requests = list[tuple[float, float, bool]]  # when due, how long it took, whether it was answered rightly


def swap_worker(root: Path, packages: list[Active]) -> tuple[Requests, list[Span]]:
    """Swap the worker behind the socket again and again."""
    (root / "run").mkdir()
    workers = Workers(root, Settings(always=(MODEL,)), monotonic=time.monotonic, chance=Chance(), bell=Bell())
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(workers, is_over))
    keeper.start()
    spans: list[Span] = []

    def swap(number: int) -> None:
        new, old = packages[number % 2], packages[(number + 1) % 2]
        began = time.monotonic()
        workers.follow(MODEL, new, old, 0)
        _wait(lambda: _serves(workers, new) and len(list((root / FOLDER).iterdir())) == 1)
        spans.append((began, time.monotonic()))

    try:
        workers.follow(MODEL, packages[0], None, 0)
        _wait(lambda: _serves(workers, packages[0]))
        requests = _under_load("socket", root, swap)
    finally:
        is_over.set()
        keeper.join()
    return requests, spans


def swap_app(root: Path, packages: list[Active]) -> tuple[Requests, list[Span]]:
    """Let an app follow the state file again and again. It says when another version begins to answer."""
    _activate(root, packages, 0)
    spans: list[Span] = []

    def swap(number: int) -> None:
        began = time.monotonic()
        _activate(root, packages, number)
        _wait(lambda: f"\n{packages[number % 2].version} " in (root / "answered").read_text())
        (root / "answered").write_text("\n")
        spans.append((began, time.monotonic()))

    (root / "answered").write_text("\n")
    return _under_load("app", root, swap), spans


def client(kind: str, root: Path, seconds: float) -> None:
    """The process that asks: 200 times a second, by the clock. Its requests go to standard output at the end."""
    row = np.full((1, 64), 0.5, np.float32)
    ask = _over_socket(root, row) if kind == "socket" else _in_process(root, row)
    for _ in range(100):
        ask()
    print("begun", flush=True)
    requests: Requests = []
    began = time.monotonic()
    for number in range(int(RATE * seconds)):
        due = began + number / RATE
        if (early_s := due - time.monotonic()) > 0:
            time.sleep(early_s)
        try:
            is_right = ask()
        except (OSError, http.client.HTTPException):
            is_right = False
        requests.append((due, time.monotonic() - due, is_right))
    json.dump(requests, sys.stdout)


def _over_socket(root: Path, row: np.ndarray) -> Callable[[], bool]:
    tensor = {"name": "x", "shape": row.shape, "datatype": "FP32", "parameters": {"binary_data_size": row.nbytes}}
    head = msgspec.json.encode({"inputs": [tensor]})
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    line = _Line(root / "run" / f"{MODEL}.sock")

    def ask() -> bool:
        line.request("POST", f"/v2/models/{MODEL}/infer", head + row.tobytes(), headers)
        reply = line.getresponse()
        return b'"label"' in reply.read() and reply.status == 200

    return ask


def _in_process(root: Path, row: np.ndarray) -> Callable[[], bool]:
    model = Model(MODEL, root)
    versions = [model.version]

    def ask() -> bool:
        outputs = model.predict(x=row)
        if model.version != versions[-1]:
            versions.append(model.version)
            with (root / "answered").open("a") as file:
                file.write(f"{model.version} \n")
        return outputs["probabilities"].shape == (1, 10)

    return ask


class _Line(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


def _under_load(kind: str, root: Path, swap: Callable[[int], None]) -> Requests:
    seconds = BEFORE_S + SWAPS * (PAUSE_S + 1.5)
    command = [sys.executable, "-m", "agents.swap", kind, str(root), str(seconds)]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    time.sleep(BEFORE_S)
    for number in range(1, SWAPS + 1):
        swap(number)
        time.sleep(PAUSE_S)
    heard = json.loads(process.stdout.read())
    process.wait()
    return [(due, took_s, is_right) for due, took_s, is_right in heard]


def _tell(where: str, requests: Requests, spans: list[Span]) -> bool:
    """p99 of the requests that were due during a swap, against those due in as long a time before it."""
    due, took_us, is_right = (np.array(column) for column in zip(*requests, strict=True))
    took_us = took_us * 1e6
    lengths_s = [max(ended - began, SPAN_S) for began, ended in spans]
    during = [took_us[(due >= at) & (due < at + long)] for (at, _), long in zip(spans, lengths_s, strict=True)]
    before = [took_us[(due >= at - long) & (due < at)] for (at, _), long in zip(spans, lengths_s, strict=True)]
    facts = {
        "swaps": len(spans),
        "requests": sum(map(len, during)),
        "swap_s": round(float(np.median([ended - began for began, ended in spans])), 2),
    }
    holds = True
    for percent in (50, 99):
        own, other = (float(np.median([np.percentile(of, percent) for of in spans])) for spans in (during, before))
        bound = f"<= {BOUND:g} x" if percent == 99 else ""
        is_held = percent != 99 or own <= BOUND * other
        name = f"swap {where}: p{percent}"
        holds &= figure(name, own, other, "before the swaps", "us", bound=bound, holds=is_held, **facts)
    failed = int(np.count_nonzero(~is_right))
    name = f"swap {where}: failed"
    return figure(name, failed, len(due), "all requests", "requests", bound="0", holds=failed == 0) and holds


def _keep(workers: Workers, is_over: threading.Event) -> None:
    while not is_over.is_set():
        wait_s = workers.turn()
        poll = select.poll()
        for fd in workers.waits_on():
            poll.register(fd, select.POLLIN)
        poll.poll(min(wait_s, 0.5) * 1000)
    workers.close()


def _serves(workers: Workers, package: Active) -> bool:
    return any(s.phase == "ready" and s.manifest_sha256 == package.manifest_sha256 for s in workers.states())


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


def _active(slot: Path, version: int) -> Active:
    sha256 = manifests.digest((slot / "manifest.json").read_bytes())
    return Active(slot=slot.name, manifest_sha256=sha256, version=version, counter=version)


def _second(first: Path) -> Path:
    """The same model once more, as version 2 in slot b."""
    slot = first.parent / "b"
    shutil.copytree(first, slot)
    manifest = manifests.decode((first / "manifest.json").read_bytes())
    kept = manifest.file(Role.REFERENCE)
    schema = msgspec.structs.replace(decode_schema((first / kept.name).read_bytes()), version=2)
    data = encode_schema(schema)
    (slot / kept.name).write_bytes(data)
    file = msgspec.structs.replace(kept, sha256=manifests.digest(data), size_bytes=len(data))
    files = tuple(file if one is kept else one for one in manifest.files)
    manifest = msgspec.structs.replace(manifest, version=2, counter=2, files=files)
    (slot / "manifest.json").write_bytes(manifests.encode(manifest))
    return slot


def _activate(root: Path, packages: list[Active], number: int) -> None:
    """What the agent's commit leaves for apps."""
    slots = {
        one.slot: SlotRecord(
            counter=one.counter, version=one.version, manifest_sha256=one.manifest_sha256, target="any"
        )
        for one in packages
    }
    record = ModelRecord(model=MODEL, generation=number + 1, active=packages[number % 2].slot, slots=slots)
    durable.replace(root / "models" / MODEL / "state.json", states.encode(record))


if __name__ == "__main__":  # the process that asks
    client(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
