"""What docs/howto/infer-from-cpp-or-node.md shows, run against a real worker: each prints the label."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serving
from on_disk import ModelOnDisk

from edgewright.agent import Model

if TYPE_CHECKING:
    from on_disk import Trained

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "infer-from-cpp-or-node.md").read_text()
SOCKET = "/var/lib/edgewright/run/digits.sock"

pytestmark = pytest.mark.e2e


class Served:
    """A worker, and what the model answers to the picture of the page."""

    def __init__(self, worker: serving.Worker, label: int) -> None:
        self.socket = worker.path
        self.label = label


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, good: Trained) -> Iterator[Served]:
    device = ModelOnDisk(tmp_path_factory.mktemp("agent"))
    device.pack("a", good)
    device.activate("a")
    with Model("digits", device.root) as model:
        label = int(model.predict(image=np.full((1, 64), 0.5, np.float32))["label"][0])
    with serving.running(device.root, "digits", "a") as worker:
        worker.phase()
        yield Served(worker, label)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_node_infers(served: Served, tmp_path: Path) -> None:
    (tmp_path / "infer.js").write_text(block("javascript"))

    assert run("node", tmp_path / "infer.js", served.socket) == f"{served.label}\n"


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_cpp_infers(served: Served, tmp_path: Path) -> None:
    (tmp_path / "infer.cpp").write_text(block("cpp"))

    run("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", tmp_path / "infer.cpp", "-o", tmp_path / "infer")

    assert run(tmp_path / "infer", served.socket) == f"{served.label}\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_infers(served: Served, tmp_path: Path) -> None:
    tensor = {"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [0.5] * 64}
    (tmp_path / "request.json").write_text(json.dumps({"id": "part-4711", "inputs": [tensor]}))
    commands = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)

    shown = [
        json.loads(run(*command.replace(SOCKET, str(served.socket)).replace("@", f"@{tmp_path}/").split()))
        for command in commands
    ]

    assert shown[0]["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}]
    assert shown[1]["id"] == "part-4711"
    assert shown[1]["outputs"][0]["data"] == [served.label]
