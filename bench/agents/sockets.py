"""A serving worker over its Unix socket, against Triton-style JSON HTTP through FastAPI: latency, the client included.

All serve the same ONNX model in processes of their own; one client asks them in ten turns each, on kept connections:
an array in, arrays out, as an app without any SDK does it (bytes by hand over a socket, JSON by msgspec). The peer
speaks JSON alone; ours is asked in JSON and in the binary tensor extension. Ours also counts profiles.

The peer is FastAPI as its documentation has blocking work done (a `def` endpoint, in a thread) over HTTP on loopback:
like ours it answers a health check while a long inference runs. Its quickest form (an `async` endpoint that blocks the
loop, on a Unix socket, uvloop) is told without a bound. So is a large input in JSON, which costs both the same
formatting and parsing of numbers; the binary extension is there for it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from onnx import TensorProto, helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from agents.figures import figure
from agents.installed import as_onnx, install
from edgewright.contract import manifest as manifests
from edgewright.contract.tensors import Dtype, Kind, TensorSpec

BOUND = 0.3
TURNS = 10
PIXELS = 3 * 224 * 224
PEER, QUICKEST = "FastAPI, JSON over HTTP", "FastAPI, async on a Unix socket"
DTYPES = {"FP32": np.float32, "INT64": np.int64}


class Way(NamedTuple):
    """How one request is written and its reply read."""

    name: str
    write: Callable[[np.ndarray], tuple[bytes, str]]
    read: Callable[[bytes, int], dict[str, np.ndarray]]


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((64,), max_iter=60, random_state=0).fit(images, digits.target)
    photos = np.random.default_rng(0).random((8, PIXELS), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        small = measure(root, "small", as_onnx(network, 64), images, 4000)
        large = measure(root, "large", pooling(), photos, 300)
    return 0 if small and large else 1


def measure(root: Path, name: str, onnx: bytes, rows: np.ndarray, requests: int) -> bool:
    """Ask both in turns; print p50 and p99 of each way."""
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, rows.shape[1]), kind=Kind.NUMERIC)
    slot = install(name, root, onnx, rows, spec)
    onnx_file, quick = slot / "model.onnx", root / f"{name}.peer"
    with ours(root, name, slot) as own, peer(onnx_file, "def", free_port()) as http, peer(onnx_file, "async", quick):
        lines = [
            (Connection(own, name), AS_JSON),
            (Connection(own, name), AS_BYTES),
            (Connection(http, name), AS_JSON),
            (Connection(quick, name), AS_JSON),
        ]
        took_us = np.empty((requests, len(lines)))
        for block in range(0, requests, requests // TURNS):
            for place, (line, way) in enumerate(lines):
                took_us[block : block + requests // TURNS, place] = timed(line, way, rows, requests // TURNS)
        answers = [line.ask(way, rows[:1])["probabilities"] for line, way in lines]
        assert all(np.allclose(answers[0], other) for other in answers)
    return tell(name, rows.shape[1] * 4, took_us)


def timed(line: Connection, way: Way, rows: np.ndarray, requests: int) -> list[float]:
    """Microseconds of each request, one after the other; the first few of a turn are not counted."""
    took_us = []
    for n in range(-(requests // 10) - 2, requests):
        row = rows[n % len(rows)][None]
        started = time.perf_counter()
        line.ask(way, row)
        took_us.append((time.perf_counter() - started) * 1e6)
    return took_us[-requests:]


def tell(name: str, size: int, took_us: np.ndarray) -> bool:
    """The figures of one model: columns are ours in JSON, ours in binary, the peer, its quickest form."""
    holds = True
    for place, way in enumerate(("JSON", "binary")):
        is_bound = not (name == "large" and way == "JSON")
        for percent in (50, 99):
            own, http, quick = (float(np.percentile(took_us[:, column], percent)) for column in (place, 2, 3))
            title = f"socket, {name} input ({size} bytes), {way}: p{percent}"
            is_met = own <= BOUND * http
            bound = f"<= {BOUND} x" if is_bound else ""
            holds &= figure(title, own, http, PEER, "us", bound=bound, holds=is_met or not is_bound)
            figure(title, own, quick, QUICKEST, "us")
    return holds


class Connection:
    """A kept connection, and no more HTTP than a request needs."""

    def __init__(self, at: Path | int, model: str) -> None:
        self._socket = connect(at)
        self._start = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: localhost\r\n"

    def ask(self, way: Way, row: np.ndarray) -> dict[str, np.ndarray]:
        """An array in, arrays out."""
        body, header = way.write(row)
        head = f"{self._start}Content-Type: application/json\r\n{header}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        reply = self._socket.recv(65536)
        while (end := reply.find(b"\r\n\r\n")) < 0:
            reply += self._socket.recv(65536)
        headers = dict(line.lower().split(b": ", 1) for line in reply[:end].split(b"\r\n")[1:])
        assert reply.startswith(b"HTTP/1.1 200"), reply
        body = reply[end + 4 :]
        while len(body) < int(headers[b"content-length"]):
            body += self._socket.recv(65536)
        return way.read(body, int(headers.get(b"inference-header-content-length", len(body))))


def write_json(row: np.ndarray) -> tuple[bytes, str]:
    tensor = {"name": "x", "shape": row.shape, "datatype": "FP32", "data": row.ravel().tolist()}
    return msgspec.json.encode({"inputs": [tensor]}), ""


def read_json(body: bytes, _: int) -> dict[str, np.ndarray]:
    outputs = msgspec.json.decode(body)["outputs"]
    return {out["name"]: np.array(out["data"], DTYPES[out["datatype"]]).reshape(out["shape"]) for out in outputs}


def write_bytes(row: np.ndarray) -> tuple[bytes, str]:
    tensor = {
        "name": "x",
        "shape": row.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": row.nbytes},
    }
    head = msgspec.json.encode({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return head + row.tobytes(), f"Inference-Header-Content-Length: {len(head)}\r\n"


def read_bytes(body: bytes, head: int) -> dict[str, np.ndarray]:
    arrays, start = {}, head
    for out in msgspec.json.decode(body[:head])["outputs"]:
        size = out["parameters"]["binary_data_size"]
        arrays[out["name"]] = np.frombuffer(body[start : start + size], DTYPES[out["datatype"]]).reshape(out["shape"])
        start += size
    return arrays


AS_JSON = Way("JSON", write_json, read_json)
AS_BYTES = Way("binary", write_bytes, read_bytes)


@contextmanager
def ours(root: Path, name: str, slot: Path) -> Iterator[Path]:
    """A serving worker, started as the agent starts it."""
    path = root / "run" / f"{name}.sock"
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(128)
        digest = manifests.digest((slot / "manifest.json").read_bytes())
        command = [
            *(sys.executable, "-m", "edgewright.agent.serve.worker", "--root", str(root), "--model", name, "--slot"),
            *("a", "--manifest-sha256", digest, "--listen-fd", str(listener.fileno())),
            *("--vitals", str(root / "run" / f"{name}.vitals")),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[listener.fileno()])
        try:
            assert process.stdout is not None
            assert b"ready" in process.stdout.readline()
            yield path
        finally:
            process.kill()
            process.wait()


@contextmanager
def peer(onnx: Path, form: str, at: Path | int) -> Iterator[Path | int]:
    """The peer, once it answers."""
    process = subprocess.Popen([sys.executable, Path(__file__).parent / "fastapi_peer.py", onnx, form, str(at)])
    try:
        while process.poll() is None:
            try:
                connect(at).close()
                break
            except OSError:
                time.sleep(0.05)
        yield at
    finally:
        process.kill()
        process.wait()


def connect(at: Path | int) -> socket.socket:
    """A connection to a Unix socket, or to a port on loopback."""
    if isinstance(at, int):
        line = socket.create_connection(("127.0.0.1", at))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(at))
    return line


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def pooling() -> bytes:
    """A model that reads a photo's worth of numbers and does little with them: what is measured is the way there."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 10], np.linspace(-1, 1, 30).tolist())
    shape = helper.make_tensor("s", TensorProto.INT64, [3], [-1, 3, PIXELS // 3])
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["planes"]),
        helper.make_node("ReduceMean", ["planes"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, PIXELS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 10]),
        ],
        [weights, shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx: bytes = model.SerializeToString()
    return onnx


if __name__ == "__main__":
    sys.exit(main())
