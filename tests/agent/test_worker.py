"""The worker, as a real process: what it lets through and what it stops."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgewright.agent.serve.learning.copies import Copy, Sender, decode, encode
from edgewright.agent.serve.package import open_package
from edgewright.agent.trial.lines import Line, ShadowDone, ShadowReady, TrialResult, decode_line
from edgewright.agent.trial.shadow import Receiver
from edgewright.agent.trial.worker import try_package
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import Budgets, Runtime

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained


def start(slot: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edgewright.agent.trial.worker", "--slot", str(slot), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def trial(slot: Path) -> TrialResult:
    output, _ = start(slot).communicate(timeout=60)
    line = decode_line(output.rstrip())
    assert isinstance(line, TrialResult)
    return line


def test_a_good_model_passes_and_is_measured(device: ModelOnDisk, good: Trained) -> None:
    result = trial(device.pack("a", good))

    assert result.ok, result.reason
    assert result.golden is not None
    assert result.golden.argmax_agreement >= 0.99
    assert 0 < result.latency_p50_ms <= result.latency_p95_ms
    assert 20e6 < result.memory_bytes < 500e6


def test_wrong_numbers_fail_the_golden_test(device: ModelOnDisk, good: Trained, shuffled: Trained) -> None:
    golden = {"label": good.label[:64], "probabilities": good.probabilities[:64]}

    result = trial(device.pack("a", shuffled, golden=golden))

    assert not result.ok
    assert result.golden is not None
    assert not result.golden.passed
    assert "probabilities: off by" in result.reason


def test_a_model_that_gives_nan_fails(device: ModelOnDisk, good: Trained) -> None:
    model = onnx.load_from_string(good.onnx)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "coefficients":
                attribute.floats[:] = [float("nan")] * len(attribute.floats)
    slot = device.pack("a", type(good)(model.SerializeToString(), good.images, good.label, good.probabilities))

    result = trial(slot)

    assert not result.ok
    assert "not finite" in result.reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budgets": Budgets(latency_p95_ms=1e-6, memory_bytes=2**31)}, "latency p95"),
        ({"budgets": Budgets(latency_p95_ms=1e3, memory_bytes=2**20)}, "peak memory"),
        ({"runtime": Runtime(name="onnxruntime", minimum="99", below="100")}, "is installed"),
        ({"runtime": Runtime(name="abacus", minimum="1", below="2")}, "no plug-in 'abacus'"),
        ({"runtime": Runtime(name="onnxruntime", minimum="1", below="2", provider="XExecutionProvider")}, "XExecution"),
    ],
)
def test_what_does_not_fit_the_device_fails(
    device: ModelOnDisk, good: Trained, changes: dict[str, object], says: str
) -> None:
    result, _ = try_package(device.pack("a", good, **changes), None)

    assert not result.ok
    assert says in result.reason


def test_a_file_that_is_no_model_fails(device: ModelOnDisk, good: Trained) -> None:
    slot = device.pack("a", type(good)(b"no model", good.images, good.label, good.probabilities))

    result, _ = try_package(slot, None)

    assert not result.ok
    assert "cannot load model.onnx" in result.reason


def test_a_contract_that_breaks_apps_needs_a_higher_version(device: ModelOnDisk, good: Trained) -> None:
    slot = device.pack("a", good)
    wider = msgspec.structs.replace(open_package(slot).contract.inputs[0], shape=(None, 65))
    contract = msgspec.structs.replace(open_package(slot).contract, inputs=(wider,))
    active = device.pack("b", good, contract=contract)

    result, _ = try_package(slot, active)

    assert not result.ok
    assert "contract.inputs.image.shape" in result.reason


def shadow_lines(process: subprocess.Popen[bytes]) -> Iterator[Line]:
    assert process.stdout is not None
    for line in process.stdout:
        yield decode_line(line.rstrip())


@pytest.mark.parametrize(("candidate", "least", "most"), [("good", 0.99, 1.0), ("shuffled", 0.0, 0.4)])
def test_the_shadow_phase_tells_how_far_the_candidate_agrees(
    device: ModelOnDisk, request: pytest.FixtureRequest, good: Trained, candidate: str, least: float, most: float
) -> None:
    active = open_package(device.pack("a", good))
    slot = device.pack("b", request.getfixturevalue(candidate), version=2)
    path = device.root / "run" / "digits.shadow"
    path.parent.mkdir()
    process = start(
        slot,
        "--active",
        str(active.folder),
        "--shadow-socket",
        str(path),
        "--min-requests",
        "200",
        "--max-wait-s",
        "20",
    )
    lines = shadow_lines(process)
    first, second = next(lines), next(lines)

    sender = Sender(path)
    pause = threading.Event()
    for row in range(100_000):
        if process.poll() is not None:
            break
        image = good.images[row % 1797 :][:1]
        sender.send(active, {"image": image}, active.infer({"image": image}), 1e-4)
        pause.wait(0.001)
    last = next(lines)
    sender.close()

    assert isinstance(first, TrialResult)
    assert first.ok, first.reason
    assert isinstance(second, ShadowReady)
    assert isinstance(last, ShadowDone)
    assert last.shadow is not None
    assert last.shadow.requests == 200
    assert least <= last.shadow.agreement <= most
    assert last.shadow.latency_ratio > 0
    assert process.wait(10) == 0
    assert not path.exists()


def test_without_requests_the_shadow_phase_ends_at_its_deadline(device: ModelOnDisk, good: Trained) -> None:
    path = device.root / "s.shadow"

    process = start(device.pack("a", good), "--shadow-socket", str(path), "--min-requests", "5", "--max-wait-s", "0.1")
    *_, last = shadow_lines(process)

    assert isinstance(last, ShadowDone)
    assert last.shadow is not None
    assert last.shadow.requests == 0
    assert process.wait(10) == 0


def test_a_sender_never_waits_and_never_fails(device: ModelOnDisk, good: Trained, tmp_path: Path) -> None:
    package = open_package(device.pack("a", good))
    feeds = {"image": good.images[:1]}
    outputs = package.infer(feeds)
    nobody, full = Sender(tmp_path / "nobody"), tmp_path / "full"
    receiver = Receiver(full)
    crowding, large = Sender(full), Sender(full)

    nobody.send(package, feeds, outputs, 1e-4)
    for _ in range(2000):
        crowding.send(package, feeds, outputs, 1e-4)
    large.send(package, {"image": np.zeros((5000, 64), np.float32)}, outputs, 1e-4)
    receiver.close()

    assert nobody.dropped == 1
    assert crowding.sent > 0
    assert crowding.dropped > 0
    assert large.dropped == 1


def test_a_socket_may_lie_deep(tmp_path: Path, device: ModelOnDisk, good: Trained) -> None:
    package = open_package(device.pack("a", good))
    path = tmp_path / ("d" * 100) / "digits.shadow"
    path.parent.mkdir()
    receiver, sender = Receiver(path), Sender(path)

    sender.send(package, {"image": good.images[:2]}, package.infer({"image": good.images[:2]}), 1e-4)
    copy = next(receiver.copies(lambda: False))
    receiver.close()

    assert copy.predicted == tuple(good.label[:2].tolist())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        os.urandom(300),
        b"\x00" * 300_000,
        encode(Copy(inputs=b"", predicted=(), scores=(), latency_s=0.1, format=2)),
    ],
)
def test_a_hostile_datagram_is_told_apart(data: bytes) -> None:
    with pytest.raises(HostileInput):
        decode(data)


def test_hostile_datagrams_do_not_stop_the_receiver(device: ModelOnDisk, good: Trained, tmp_path: Path) -> None:
    path = tmp_path / "s"
    receiver = Receiver(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for data in (b"junk", b"", encode(Copy(inputs=b"x", predicted=(1,), scores=(), latency_s=0.1))):
            sender.sendto(data, str(path))

    copy = next(receiver.copies(lambda: False))
    receiver.close()

    assert copy.predicted == (1,)


def test_a_model_that_its_runtime_gives_up_on_fails(device: ModelOnDisk, good: Trained) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["image", "shape"], ["probabilities"]),
            helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 64])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 10]),
        ],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 10])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    slot = device.pack("a", type(good)(model.SerializeToString(), good.images, good.label, good.probabilities))

    result, _ = try_package(slot, None)

    assert not result.ok
    assert "gave up" in result.reason
