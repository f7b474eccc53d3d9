"""A real hub, started, used and stopped by the command line alone."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgewright.cli.app import run_words

COMMAND = [sys.executable, "-c", "from edgewright.cli import main; main()"]


@dataclass(frozen=True)
class Ended:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


class Desk:
    """A person's terminal: a home folder, and the hub that was started from it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "COLUMNS": "80"}

    def start_hub(self) -> tuple[subprocess.Popen[str], dict[str, str]]:
        words = ["hub", "up", "--dir", str(self.home / "hub"), "--port", "0", "--json"]
        hub = subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        line = hub.stdout.readline() if hub.stdout else ""
        assert line, hub.communicate()[1]
        return hub, json.loads(line)

    def run(self, *words: str, said: str = "", user: str = "") -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("XDG_CONFIG_HOME", self.environment["XDG_CONFIG_HOME"])
            patch.setenv("EDGEWRIGHT_USER", user)
            patch.setattr(sys, "stdin", io.StringIO(said))
            code = run_words(list(words))
        return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[tuple[Desk, dict[str, str]]]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    hub, facts = desk.start_hub()
    yield desk, facts
    hub.send_signal(signal.SIGTERM)
    _, talk = hub.communicate(timeout=30)
    assert hub.returncode == 0, talk
    assert "the hub has stopped" in talk


@pytest.fixture(scope="module")
def desk(started) -> Desk:
    return started[0]


def test_the_first_start_makes_an_administrator_who_is_logged_in(started):
    desk, facts = started

    who = desk.run("whoami", "--json")

    assert len(facts["password"]) >= 10
    assert json.loads(who.stdout) == {"hub": facts["hub"], "user": "admin", "roles": ["admin"]}


def test_the_operators_keys_stay_out_of_the_hubs_folder(desk):
    assert (desk.home / "hub-operator" / "release-1.pem").exists()
    assert not list((desk.home / "hub").rglob("release*.pem"))


def test_a_second_person_logs_in_beside_the_first(desk):
    made = desk.run("user", "create", "bob", "--role", "approver", "--password-stdin", said="a long password\n")
    entered = desk.run("login", "--user", "bob", "--password-stdin", said="a long password\n")

    names = [desk.run("whoami", "--json", user=user).stdout for user in ("admin", "bob")]

    assert (made.returncode, entered.returncode) == (0, 0)
    assert [json.loads(name)["user"] for name in names] == ["admin", "bob"]


def test_a_role_that_may_not_gives_code_4(desk):
    desk.run("user", "create", "eve", "--role", "viewer", "--password-stdin", said="a long password\n", user="admin")
    desk.run("login", "--user", "eve", "--password-stdin", said="a long password\n")

    said = desk.run("device", "claim", user="eve")

    assert said.returncode == 4
    assert said.stderr.startswith("error[forbidden]: eve may not")


def test_a_folder_becomes_a_snapshot_and_a_dry_run_does_not(desk, tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for name in ("train", "holdout"):
        np.savez(tmp_path / f"{name}.npz", x=rows, label=np.zeros(20, np.int64))

    dry = desk.run("data", "snapshot", "rows", str(tmp_path), "--dry-run", user="admin")
    before = desk.run("data", "ls", "rows", "--json", user="admin")
    done = desk.run("data", "snapshot", "rows", str(tmp_path), "--json", user="admin")

    assert dry.returncode == 0, dry.stderr
    assert json.loads(before.stdout) == []
    assert json.loads(done.stdout)["id"] == "rows@1"


def test_a_model_is_registered_with_the_contract_that_its_file_has(desk, tmp_path):
    write_model(tmp_path / "m.onnx")

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "double", "--json", user="admin")

    assert said.returncode == 0, said.stderr
    version = json.loads(said.stdout)
    assert [spec["name"] for spec in version["contract"]["inputs"]] == ["x"]


def test_a_contract_that_does_not_fit_is_refused_with_its_field_and_nothing_is_registered(desk, tmp_path):
    write_model(tmp_path / "m.onnx")
    spec = {"name": "pixels", "dtype": "float32", "shape": [None, 3]}
    (tmp_path / "contract.json").write_text(json.dumps({"inputs": [spec], "outputs": []}))
    words = ["model", "register", str(tmp_path / "m.onnx"), "--name", "misfit"]

    said = desk.run(*words, "--contract", str(tmp_path / "contract.json"), user="admin")

    assert said.returncode == 1
    assert "contract.inputs.pixels" in said.stderr
    assert desk.run("model", "show", "misfit", user="admin").returncode == 2


def test_a_pickle_is_no_model(desk, tmp_path):
    (tmp_path / "m.onnx").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "evil", "--json", user="admin")

    assert said.returncode == 1
    assert json.loads(said.stdout)["error"]["hint"]
    assert "evil" not in desk.run("model", "ls", user="admin").stdout


def test_an_unknown_target_is_named_with_the_known_ones(desk, tmp_path):
    write_model(tmp_path / "m.onnx")
    desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "aimless", user="admin")

    said = desk.run("optimize", "aimless@1", "--target", "toaster", user="admin")

    assert said.returncode in (1, 2)
    assert "toaster" in said.stderr
    assert "cpu-fp32" in said.stderr


def test_the_audit_log_tells_who_did_it_and_verifies(desk):
    entries = json.loads(desk.run("audit", "ls", "--json", user="admin").stdout)

    assert ("admin", "user.create", "bob") in [(one["actor"], one["action"], one["subject"]) for one in entries]
    assert desk.run("audit", "verify", user="admin").returncode == 0


def write_model(path: Path) -> None:
    """y = 2 x for rows of three numbers."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")]
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "two"], ["y"])], "double", rows[:1], rows[1:], [two])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
