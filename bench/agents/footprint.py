"""What an agent takes of its device while nothing happens, and how soon after its start it answers.

The agent is the one of a base install (`pip install edgewright` in an environment of its own), it checks in with a
real hub on this machine, and serves one small model. Resident memory (RSS) counts pages that processes share in each of
them; the proportional size (PSS) counts them once. The supervisor gives back, ten seconds after its start and then
every five minutes, what only its start has touched; both figures are told. Left out: devices whose hub speaks
TLS, where the supervisor takes about one MB more, and the gateway.

EDGEWRIGHT_BASE names the environment to use; without it, one is made, which takes a minute and a network.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from agents.figures import figure
from agents.installed import as_onnx, install
from edgewright.client import Client
from edgewright.contract.api import ClaimDraft
from edgewright.contract.tensors import Dtype, Kind, TensorSpec

MODEL = "digits"
POLL_S = 30.0
SETTLED_S = 20.0  # after the supervisor has given back what its start had touched
IDLE_S = 60.0
STARTS = 5
PATIENCE_S = 30.0
SUPERVISOR_MB, AGENT_MB, IDLE_PERCENT, FIRST_S = 30.0, 110.0, 0.1, 1.5
BARE = """
import http.client, ssl, sys, msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519
print("answered", flush=True)
sys.stdin.read()
"""
APP = """
import sys, numpy
from edgewright.agent import Model
model = Model(sys.argv[2], sys.argv[1])
model.predict(x=numpy.zeros((1, 64), numpy.float32))
print("answered", flush=True)
sys.stdin.read()
"""
PEER = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {"x": numpy.zeros((1, 64), numpy.float32)})
print("answered", flush=True)
sys.stdin.read()
"""


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    password = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "hub", password) as hub:
        root = Path(folder) / "agent"
        python = base_python(Path(folder) / "base")
        claim = claim_of(hub, password)
        onnx = put_model(root)
        with running(agent_command(python, root, hub, claim)) as agent:
            is_small = when_settled(agent, python, root)
            is_small &= with_a_model(agent, root, python, onnx)
        is_soon = starts(python, root, onnx)
    return 0 if is_small and is_soon else 1


def when_settled(agent: int, python: str, root: Path) -> bool:
    """The supervisor alone: no worker runs before somebody asks."""
    wait_until(lambda: (root / "run" / f"{MODEL}.sock").exists())
    wait_until(lambda: memory_mb(agent, "Rss") > 0)
    time.sleep(3.0)
    at_start_mb = memory_mb(agent, "Rss")
    time.sleep(SETTLED_S)
    rss_mb, pss_mb = memory_mb(agent, "Rss"), memory_mb(agent, "Pss")
    began, spent_s = time.monotonic(), cpu_s(agent)
    time.sleep(IDLE_S)
    percent = 100 * (cpu_s(agent) - spent_s) / (time.monotonic() - began)
    after_mb = memory_mb(agent, "Rss")
    holds = max(rss_mb, after_mb) <= SUPERVISOR_MB
    is_small = figure(
        "resident memory of the idle supervisor",
        max(rss_mb, after_mb),
        bare_mb(python),
        "an interpreter with TLS, Ed25519 and msgspec",
        "MB",
        bound=f"<= {SUPERVISOR_MB:.0f}",
        holds=holds,
        pss_mb=round(pss_mb, 2),
        at_start_mb=round(at_start_mb, 2),
    )
    is_quiet = figure(
        f"processor time of the idle supervisor over {IDLE_S:.0f} s, a check-in every {POLL_S:.0f} s",
        percent,
        IDLE_PERCENT,
        "the bound",
        "% of one processor",
        bound=f"<= {IDLE_PERCENT}",
        holds=percent <= IDLE_PERCENT,
    )
    return is_small and is_quiet


def with_a_model(agent: int, root: Path, python: str, onnx: Path) -> bool:
    """The supervisor and the worker of one small model, which has answered a thousand requests."""
    for _ in range(1000):
        ask(root)
    workers = children(agent)
    rss_mb = sum(memory_mb(pid, "Rss") for pid in (agent, *workers))
    pss_mb = sum(memory_mb(pid, "Pss") for pid in (agent, *workers))
    with running([python, "-c", PEER, str(onnx)], says="answered") as peer:
        bare = memory_mb(peer, "Rss")
    return figure(
        "resident memory of the agent with one small model (supervisor and worker)",
        rss_mb,
        bare,
        "a bare process with an onnxruntime session",
        "MB",
        bound=f"<= {AGENT_MB:.0f}",
        holds=rss_mb <= AGENT_MB,
        pss_mb=round(pss_mb, 2),
        workers_mb=[round(memory_mb(pid, "Rss"), 2) for pid in workers],
    )


def starts(python: str, root: Path, onnx: Path) -> bool:
    """From the start of a process to its first answer: the median of several, the page cache warm."""
    bare_s = median(first_answer_s([python, "-c", PEER, str(onnx)]) for _ in range(STARTS))
    app_s = median(first_answer_s([python, "-c", APP, str(root), MODEL]) for _ in range(STARTS))
    socket_s = median(first_request_s(python, root) for _ in range(STARTS))
    told = ("a bare process with an onnxruntime session", "s")
    bound = {"bound": f"<= {FIRST_S}"}
    in_process = figure("start to first inference, in process", app_s, bare_s, *told, **bound, holds=app_s <= FIRST_S)
    over_socket = figure(
        "start of the agent to first inference over the worker's socket",
        socket_s,
        bare_s,
        *told,
        **bound,
        holds=socket_s <= FIRST_S,
    )
    return in_process and over_socket


def base_python(folder: Path) -> str:
    """The interpreter of an environment that holds the base package and nothing else."""
    if given := os.environ.get("EDGEWRIGHT_BASE"):
        return str(Path(given) / "bin" / "python")
    checkout = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(checkout)], check=True)
    return python


@contextlib.contextmanager
def served(folder: Path, password: str) -> Iterator[str]:
    """A hub in a process of its own, by its address."""
    command = [sys.executable, "-m", "edgewright.cli", "hub", "up", "--dir", str(folder), "--port", "0", "--json"]
    environment = {**os.environ, "EDGEWRIGHT_ADMIN_PASSWORD": password}
    hub = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    try:
        assert hub.stdout is not None
        yield json.loads(hub.stdout.readline())["hub"]
    finally:
        hub.terminate()
        hub.wait()


def claim_of(url: str, password: str) -> str:
    """A token for one device."""
    with Client(url) as client:
        client.login("admin", password)
        return client.devices.claim(ClaimDraft()).tokens[0]


def put_model(root: Path) -> Path:
    """One small model, installed."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((64,), max_iter=30, random_state=0).fit(images, digits.target)
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.NUMERIC)
    return install(MODEL, root, as_onnx(network, 64), images, spec) / "model.onnx"


def agent_command(python: str, root: Path, hub: str = "", claim: str = "") -> list[str]:
    options = ["--hub", hub, "--claim", claim, "--name", "bench", "--poll-s", str(POLL_S)] if claim else []
    return [python, "-m", "edgewright.agent", "run", "--dir", str(root), *options]


@contextlib.contextmanager
def running(command: list[str], says: str = "") -> Iterator[int]:
    """A process, by its id; with `says`, once it has said that."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean()
    )
    try:
        if says and process.stdout is not None:
            assert process.stdout.readline().decode().strip() == says
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def clean() -> dict[str, str]:
    """This environment without what would let the base install see the checkout, or keep it from using its bytecode."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def first_answer_s(command: list[str]) -> float:
    began = time.monotonic()
    with running(command, says="answered"):
        return time.monotonic() - began


def first_request_s(python: str, root: Path) -> float:
    (root / "run" / f"{MODEL}.sock").unlink(missing_ok=True)
    began = time.monotonic()
    with running(agent_command(python, root)):
        wait_until((root / "run" / f"{MODEL}.sock").exists, each_s=0.001)
        ask(root)
        return time.monotonic() - began


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a model's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))


def ask(root: Path) -> None:
    """One request to the model; by the Open Inference Protocol, as an app in any language would."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}
    connection = UnixConnection(root / "run" / f"{MODEL}.sock")
    connection.request("POST", f"/v2/models/{MODEL}/infer", json.dumps({"inputs": [tensor]}))
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status == 200, body


def bare_mb(python: str) -> float:
    with running([python, "-c", BARE], says="answered") as pid:
        return memory_mb(pid, "Rss")


def memory_mb(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Processor time of all threads that live (sched(5): nanoseconds)."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text().split()]


def wait_until(holds: Callable[[], bool], each_s: float = 0.05) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(each_s)


def median(values: Iterator[float]) -> float:
    found = sorted(values)
    return found[len(found) // 2]


if __name__ == "__main__":
    sys.exit(main())
