"""A whole agent: installed from a hub, asked over its sockets and its port, updated and hurt while it is asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
import serving
from misbehaving import install, see_faulty_runtime
from scripted_hub import CLAIM, ScriptedHub

from edgewright.contract import manifest as manifests
from edgewright.contract.order import Bench, Install
from edgewright.contract.report import BenchOutcome, BenchReport

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained

pytestmark = pytest.mark.e2e

PATIENCE_S = 40.0
INFER = "/v2/models/digits/infer"


class Agent:
    """`edgewright-agent run --http-port`, with a hub that says what it is told to."""

    def __init__(self, root: Path, hub: ScriptedHub) -> None:
        self.root = root
        self.hub = hub
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-m", "edgewright.agent", "run", "--dir", str(root), "--hub", hub.url]
        command += ["--claim", CLAIM, "--poll-s", "0.2", "--http-port", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def release(self, slot: Path) -> None:
        """Have what lies in a slot installed."""
        data = (slot / "manifest.json").read_bytes()
        manifest = manifests.decode(data)
        for path in slot.iterdir():
            self.hub.shelf.add(path.read_bytes())
        install = Install(
            deployment=f"d{manifest.version}",
            model="digits",
            version=manifest.version,
            counter=manifest.counter,
            target_path=f"digits/{manifest.counter}/{manifest.target}.json",
            manifest_sha256=manifests.digest(data),
            fetches=(),
        )
        self.hub.publish(install, data)

    def bench(self, slot: Path, request: str) -> None:
        """Have what lies in a slot measured."""
        data = (slot / "manifest.json").read_bytes()
        manifest = manifests.decode(data)
        for path in slot.iterdir():
            self.hub.shelf.add(path.read_bytes())
        bench = Bench(
            request=request,
            model="digits",
            version=manifest.version,
            counter=manifest.counter,
            target_path=f"digits/{manifest.counter}/{manifest.target}.json",
            manifest_sha256=manifests.digest(data),
            fetches=(),
            calls=100,
            expires_at=time.time() + 600,
        )
        self.release(slot)  # so that the release role vouches for it
        self.hub.installs, self.hub.benches = (), (bench,)

    def over_http(self, method: str, path: str, content: object = None) -> Any:
        """The JSON of a reply through the gateway; None while there is none."""
        client = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request(method, path, None if content is None else msgspec.json.encode(content))
            reply = client.getresponse()
            return msgspec.json.decode(reply.read()) if reply.status == 200 else None
        except (OSError, HTTPException):
            return None
        finally:
            client.close()

    def until_version(self, version: int, content: object) -> None:
        """Wait for that version to answer through the gateway."""
        deadline = time.monotonic() + PATIENCE_S
        while (self.over_http("POST", INFER, content) or {}).get("model_version") != str(version):
            assert time.monotonic() < deadline
            assert self.process.poll() is None

    def gateway(self) -> int:
        """The process id of the gateway; 0 for none."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"edgewright.agent.gateway.child" in words and str(self.root).encode() in words:
                return int(path.parent.name)
        return 0


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    see_faulty_runtime(monkeypatch)
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    agent = Agent(tmp_path / "device", hub)
    yield agent
    agent.process.terminate()
    agent.process.wait(timeout=30)
    hub.close()


def question(images: np.ndarray) -> dict[str, object]:
    return {"inputs": [{"name": "image", "shape": images.shape, "datatype": "FP32", "data": images.ravel().tolist()}]}


def test_an_update_fails_no_request_over_the_socket_or_the_port(
    agent: Agent, device: ModelOnDisk, good: Trained
) -> None:
    content = question(good.images[:1])
    agent.release(device.pack("a", good))
    agent.until_version(1, content)
    versions: list[str] = []
    failures: list[object] = []
    is_over = threading.Event()

    def use_socket() -> None:
        client = serving.Client(agent.root / "run" / "digits.sock")
        while not is_over.wait(0.005):
            answer = client.ask("POST", INFER, content)
            (versions if answer.status == 200 else failures).append(answer.json().get("model_version"))

    def use_port() -> None:
        while not is_over.wait(0.005):
            answer = agent.over_http("POST", INFER, content)
            failures.extend([answer] if answer is None else [])

    users = [threading.Thread(target=use) for use in (use_socket, use_port)]
    for user in users:
        user.start()
    agent.release(device.pack("b", good, version=2))
    agent.until_version(2, content)
    deadline = time.monotonic() + PATIENCE_S
    while "2" not in versions and not is_over.wait(0.01):
        assert time.monotonic() < deadline
    alive = [user.is_alive() for user in users]
    is_over.set()
    for user in users:
        user.join()

    assert failures == []
    assert alive == [True, True]
    assert {versions[0], versions[-1]} == {"1", "2"}
    assert agent.over_http("GET", "/status.json")["status"]["models"][0]["version"] == 2


def test_a_gateway_that_is_killed_comes_back(agent: Agent, device: ModelOnDisk, good: Trained) -> None:
    content = question(good.images[:1])
    agent.release(device.pack("a", good))
    agent.until_version(1, content)

    killed = agent.gateway()
    os.kill(killed, signal.SIGKILL)
    agent.until_version(1, content)

    assert agent.gateway() not in (0, killed)


def test_a_model_that_crashes_while_it_is_measured_disturbs_nobody(
    agent: Agent, device: ModelOnDisk, good: Trained
) -> None:
    content = question(good.images[:1])
    agent.release(device.pack("a", good))
    agent.until_version(1, content)
    install(device, "b", 2, "segfault", 20)

    agent.bench(device.slot("b"), "b1")
    answers = []
    deadline = time.monotonic() + PATIENCE_S
    while not (told := [one for one in agent.hub.records if isinstance(one, BenchReport)]):
        answers.append(agent.over_http("POST", INFER, content))
        assert time.monotonic() < deadline
        assert agent.process.poll() is None

    assert (told[0].outcome, told[0].reason) == (
        BenchOutcome.FAILED,
        "the worker was killed by SIGSEGV during its bench",
    )
    assert {answer and answer["model_version"] for answer in answers} == {"1"}
    assert not list((agent.root / "benches" / "files").iterdir())
