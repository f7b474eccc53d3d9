"""A serving worker's whole life over its socket, with clients that know nothing but HTTP."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serving
from on_disk import ModelOnDisk

from edgewright.agent.disk.spool import Spool
from edgewright.agent.disk.vitals import read_vitals
from edgewright.agent.serve.oip.messages import HEADER_LENGTH
from edgewright.agent.serve.phases import Failed, Ready
from edgewright.contract.report import Fault, ProfileWindow

if TYPE_CHECKING:
    from on_disk import Trained

INFER = "/v2/models/digits/infer"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, good: Trained) -> Iterator[serving.Worker]:
    device = ModelOnDisk(tmp_path_factory.mktemp("agent"))
    device.pack("a", good)
    device.activate("a")
    with serving.running(device.root, "digits", "a") as worker:
        assert worker.phase() == Ready()
        yield worker


@pytest.fixture
def ready(device: ModelOnDisk, good: Trained) -> ModelOnDisk:
    device.pack("a", good)
    device.activate("a")
    return device


def question(images: np.ndarray) -> dict[str, object]:
    return {"inputs": [{"name": "image", "shape": images.shape, "datatype": "FP32", "data": images.ravel().tolist()}]}


def binary(images: np.ndarray) -> tuple[bytes, dict[str, str]]:
    tensor = {
        "name": "image",
        "shape": images.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": images.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + images.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


def test_more_at_once_than_the_golden_rows_is_noted_and_answered(ready: ModelOnDisk, good: Trained) -> None:
    with serving.running(ready.root, "digits", "a") as worker:
        worker.phase()
        client = worker.client()
        client.ask("POST", INFER, *binary(good.images[:64]))
        before = read_vitals(ready.root / "run" / "vitals" / "digits.a")

        answer = client.ask("POST", INFER, *binary(np.tile(good.images[:64], (10, 1))))

        after = read_vitals(ready.root / "run" / "vitals" / "digits.a")

    assert answer.status == 200
    assert before is not None
    assert not before.is_strained
    assert after is not None
    assert after.is_strained


def test_json_and_binary_get_the_same_answer(shared: serving.Worker, good: Trained) -> None:
    client = shared.client()

    in_json = client.ask("POST", INFER, question(good.images[:3]))
    in_bytes = client.ask("POST", INFER, *binary(good.images[:3]))

    assert in_json.status == in_bytes.status == 200
    size = int(in_bytes.headers[HEADER_LENGTH])
    label, scores = in_bytes.body[size : size + 24], in_bytes.body[size + 24 :]
    outputs = {output["name"]: output["data"] for output in in_json.json()["outputs"]}
    assert np.frombuffer(label, np.int64).tolist() == outputs["label"] == good.label[:3].tolist()
    assert np.array_equal(np.frombuffer(scores, np.float32), np.array(outputs["probabilities"], np.float32))


def test_large_requests_are_answered(shared: serving.Worker, good: Trained) -> None:
    images = np.repeat(good.images, 4, axis=0)

    answer = shared.client().ask("POST", INFER, *binary(images))

    size = int(answer.headers[HEADER_LENGTH])
    labels = np.frombuffer(answer.body[size : size + 8 * len(images)], np.int64)
    assert (labels == np.repeat(good.label, 4)).all()


def test_a_client_of_a_few_lines_of_c_would_do(shared: serving.Worker, good: Trained) -> None:
    body = json.dumps(question(good.images[:1])).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(shared.path))
        plain.sendall(head.encode() + body)
        reply = b"".join(iter(lambda: plain.recv(4096), b""))

    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["outputs"][0]["data"] == [int(good.label[0])]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_is_a_client(shared: serving.Worker, good: Trained, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(json.dumps(question(good.images[:1])))
    command = ["curl", "--silent", "--fail", "--unix-socket", str(shared.path), f"http://localhost{INFER}"]

    done = subprocess.run(
        [*command, "--json", f"@{tmp_path / 'request.json'}"], capture_output=True, check=True, timeout=30
    )

    assert json.loads(done.stdout)["outputs"][0]["data"] == [int(good.label[0])]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(shared: serving.Worker, good: Trained) -> None:
    body = json.dumps(question(good.images[:1])).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"

    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(10)
        plain.connect(str(shared.path))
        plain.sendall(head.encode())
        first = plain.recv(4096)
        plain.sendall(body)
        second = plain.recv(65536)

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(second.partition(b"\r\n\r\n")[2])["outputs"][0]["data"] == [int(good.label[0])]


def test_hostile_bytes_leave_it_answering(shared: serving.Worker, good: Trained) -> None:
    for nonsense in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: 5, 6\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(shared.path))
            plain.sendall(nonsense)
            assert b" 400 " in plain.recv(4096).split(b"\r\n")[0]

    assert shared.client().ask("POST", INFER, question(good.images[:1])).status == 200


def test_a_package_that_does_not_load_is_told(ready: ModelOnDisk) -> None:
    (ready.slot("a") / "model.onnx").write_bytes(b"nothing")

    with serving.running(ready.root, "digits", "a") as worker:
        phase = worker.phase()

        assert worker.process.wait(timeout=30) == 1

    assert isinstance(phase, Failed)
    assert "model.onnx" in phase.reason
    faults = [entry.record for entry in Spool(ready.root / "spool").pending(10, 10**6)]
    assert [fault.code for fault in faults if isinstance(fault, Fault)] == ["hostile_input"]


def test_at_the_end_what_is_under_way_is_answered_and_clients_are_told_to_go(ready: ModelOnDisk, good: Trained) -> None:
    body, headers = binary(good.images[:2])
    with serving.running(ready.root, "digits", "a") as worker:
        worker.phase()
        kept, half = worker.client(), worker.client()
        assert "connection" not in kept.ask("POST", INFER, body, headers).headers
        half.putrequest("POST", INFER)
        for name, value in (*headers.items(), ("Content-Length", str(len(body)))):
            half.putheader(name, value)
        half.endheaders(body[:100])

        worker.process.terminate()
        asked = 1
        while "connection" not in (last := kept.ask("POST", INFER, body, headers)).headers:
            asked += 1
        half.send(body[100:])
        finished = half.getresponse()

        assert (last.status, last.headers["connection"]) == (200, "close")
        assert (finished.status, finished.getheader("connection")) == (200, "close")
        finished.read()
        assert worker.process.wait(timeout=30) == 0

    records = [entry.record for entry in Spool(ready.root / "spool").pending(10, 10**6)]
    assert sum(record.rows for record in records if isinstance(record, ProfileWindow)) == 2 * (asked + 2)


def test_idle_clients_do_not_hold_up_the_end(ready: ModelOnDisk) -> None:
    with serving.running(ready.root, "digits", "a", "--idle-s", "0.2") as worker:
        worker.phase()
        idle = worker.client()
        idle.ask("GET", "/v2/health/live")

        assert worker.end() == 0

        assert idle.sock.recv(1) == b""


@pytest.mark.e2e
def test_a_swap_of_workers_on_one_socket_fails_no_request(ready: ModelOnDisk, good: Trained) -> None:
    ready.pack("b", good, version=2)
    versions: list[str] = []
    failures: list[object] = []
    is_over = threading.Event()

    def use(worker: serving.Worker) -> None:
        client = worker.client()
        while not is_over.is_set():
            answer = client.ask("POST", INFER, question(good.images[:1]))
            (versions if answer.status == 200 else failures).append(answer.json().get("model_version"))

    with serving.running(ready.root, "digits", "a") as old:
        old.phase()
        users = [threading.Thread(target=use, args=[old]) for _ in range(3)]
        for user in users:
            user.start()
        with serving.running(ready.root, "digits", "b") as new:
            new.phase()
            assert old.end() == 0
            seen = len(versions)
            while len(versions) < seen + 50:
                assert all(user.is_alive() for user in users)
                is_over.wait(0.01)
            is_over.set()
            for user in users:
                user.join()

    assert failures == []
    assert versions[0] == "1"
    assert versions[-1] == "2"
