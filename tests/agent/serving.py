"""A serving worker in a test, started as the supervisor starts it, and a client that any language could have."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edgewright.agent.serve.phases import Phase, decode_phase
from edgewright.contract import manifest as manifests


class Answer(NamedTuple):
    """A reply as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client(http.client.HTTPConnection):
    """HTTP over a Unix socket: a connection that is kept, and no SDK."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, content: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        body = content if content is None or isinstance(content, bytes) else msgspec.json.encode(content)
        self.request(method, path, body, dict(headers or {}))
        reply = self.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


class Worker:
    """`python -m edgewright.agent.serve.worker` on a listening socket that this process keeps."""

    def __init__(self, root: Path, model: str, slot: str, *options: str) -> None:
        self.path = root / "run" / f"{model}.sock"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not hasattr(type(self), "listeners"):
            type(self).listeners = {}
        self.listener = self.listeners.get(self.path) or _listen(self.path)
        self.listeners[self.path] = self.listener
        digest = manifests.digest((root / "models" / model / slot / "manifest.json").read_bytes())
        command = [
            *(sys.executable, "-m", "edgewright.agent.serve.worker", "--root", str(root), "--model", model),
            *("--slot", slot, "--manifest-sha256", digest, "--listen-fd", str(self.listener.fileno())),
            *("--vitals", str(root / "run" / "vitals" / f"{model}.{slot}"), *options),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[self.listener.fileno()])

    listeners: dict[Path, socket.socket]

    def phase(self) -> Phase:
        """Its next line."""
        assert self.process.stdout is not None
        return decode_phase(self.process.stdout.readline())

    def client(self) -> Client:
        return Client(self.path)

    def end(self) -> int:
        """Have it drain; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(128)
    return listener


@contextlib.contextmanager
def running(root: Path, model: str, slot: str, *options: str) -> Iterator[Worker]:
    """A worker that is killed at the end, if it has not ended."""
    worker = Worker(root, model, slot, *options)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()
        if worker.process.stdout is not None:
            worker.process.stdout.close()
