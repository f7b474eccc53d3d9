"""A real hub, started, used and stopped by the command line alone."""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from scenes.desk import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.start_hub()
    yield desk
    ended = desk.stop_hub()
    assert ended.code == 0, ended.err
    assert "the hub has stopped" in ended.err


def test_the_first_start_makes_an_administrator_who_is_logged_in(desk):
    who = desk.run("whoami", "--json")

    assert len(desk.facts["password"]) >= 10
    assert json.loads(who.out) == {"hub": desk.url, "user": "admin", "roles": ["admin"]}


def test_the_operators_keys_stay_out_of_the_hubs_folder(desk):
    assert (desk.home / "hub-operator" / "release-1.pem").exists()
    assert not list((desk.home / "hub").rglob("release*.pem"))


def test_a_second_person_logs_in_beside_the_first(desk):
    made = desk.run("user", "create", "bob", "--role", "approver", "--password-stdin", said="a long password\n")
    entered = desk.run("login", "--user", "bob", "--password-stdin", said="a long password\n")

    names = [desk.run("whoami", "--json", user=user).out for user in ("admin", "bob")]

    assert (made.code, entered.code) == (0, 0)
    assert [json.loads(name)["user"] for name in names] == ["admin", "bob"]


def test_a_role_that_may_not_gives_code_4(desk):
    desk.run("user", "create", "eve", "--role", "viewer", "--password-stdin", said="a long password\n")
    desk.run("login", "--user", "eve", "--password-stdin", said="a long password\n")

    said = desk.run("device", "claim", user="eve")

    assert said.code == 4
    assert said.err.startswith("error[forbidden]: eve may not")


def test_a_target_of_ones_own_is_begun_added_shown_and_removed(desk, tmp_path):
    file = tmp_path / "my-board.toml"

    begun = desk.run("target", "new", str(file), "--from", "nrf52840")
    file.write_text(file.read_text() + "\n[constraints]\nram_bytes = 100_000\n")
    said = [desk.run("target", *words) for words in (("add", str(file)), ("show", "my-board"), ("ls",))]
    removed = desk.run("target", "rm", "my-board")

    assert [one.code for one in (begun, *said, removed)] == [0] * 5, [one.err for one in said]
    shown, listed = said[1].out, said[2].out
    assert max(map(len, (shown + listed).splitlines())) <= 80
    assert re.search(r"^constraints.ram_bytes +100,000 \(100 kB\) *$", shown, re.MULTILINE)
    assert re.search(r"^runtime.name +tflite-micro +tflite-micro *$", shown, re.MULTILINE)
    assert "nrf52840 → cortex-m4 → tflite-micro" in shown
    assert re.search(r"^my-board +tflite-micro +armv7e-m +262 kB +admin", listed, re.MULTILINE)


def test_a_target_file_that_is_wrong_never_leaves_the_machine(desk, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('id = "mine"\ninherits = "cpu-fp32"\nclok_hz = 3\n')

    said = desk.run("target", "add", str(file))

    assert (said.code, said.err.splitlines()[-1]) == (1, "help: Did you mean clock_hz?")


def test_a_folder_becomes_a_snapshot_and_a_dry_run_does_not(desk, tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for name in ("train", "holdout"):
        np.savez(tmp_path / f"{name}.npz", x=rows, label=np.zeros(20, np.int64))

    dry = desk.run("data", "snapshot", "rows", str(tmp_path), "--dry-run")
    before = desk.run("data", "ls", "rows", "--json")
    done = desk.run("data", "snapshot", "rows", str(tmp_path), "--json")

    assert dry.code == 0, dry.err
    assert json.loads(before.out) == []
    assert json.loads(done.out)["id"] == "rows@1"


def test_the_same_files_again_are_no_new_snapshot_and_the_command_says_so(desk, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    desk.run("data", "snapshot", "twice", str(tmp_path))

    again = desk.run("data", "snapshot", "twice", str(tmp_path))

    assert again.code == 0
    assert "twice@1 holds exactly these files already" in again.err


def test_a_model_is_registered_with_the_contract_that_its_file_has(desk, tmp_path):
    write_model(tmp_path / "m.onnx")

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "double", "--json")

    assert said.code == 0, said.err
    version = json.loads(said.out)
    assert [spec["name"] for spec in version["contract"]["inputs"]] == ["x"]


def test_a_contract_that_does_not_fit_is_refused_with_its_field_and_nothing_is_registered(desk, tmp_path):
    write_model(tmp_path / "m.onnx")
    spec = {"name": "pixels", "dtype": "float32", "shape": [None, 3]}
    (tmp_path / "contract.json").write_text(json.dumps({"inputs": [spec], "outputs": []}))
    words = ["model", "register", str(tmp_path / "m.onnx"), "--name", "misfit"]

    said = desk.run(*words, "--contract", str(tmp_path / "contract.json"))

    assert said.code == 1
    assert "contract.inputs.pixels" in said.err
    assert desk.run("model", "show", "misfit").code == 2


def test_a_pickle_is_no_model(desk, tmp_path):
    (tmp_path / "m.onnx").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "evil", "--json")

    assert said.code == 1
    assert json.loads(said.out)["error"]["hint"]
    assert "evil" not in desk.run("model", "ls").out


def test_weights_become_a_version_by_a_command_of_ones_own(desk, tmp_path):
    write_model(tmp_path / "ready.onnx")
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    lines = ["import os, shutil", f"shutil.copy({str(tmp_path / 'ready.onnx')!r}, os.environ['EW_OUTPUT'])"]
    (tmp_path / "export.py").write_text("\n".join([*lines, "print('two layers')"]))
    command = f"{sys.executable} {tmp_path / 'export.py'}"

    said = desk.run("model", "register", str(tmp_path / "w.safetensors"), "--name", "exported", "--export", command)

    assert said.code == 0, said.err
    assert "two layers" in said.err
    assert "of w.safetensors" in " ".join(desk.run("model", "show", "exported@1").out.split())


def test_a_project_may_say_how_its_weights_become_a_model(desk, tmp_path):
    write_model(tmp_path / "ready.onnx")
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    (tmp_path / "export.sh").write_text('cp ready.onnx "$EW_OUTPUT"')
    (tmp_path / "edgewright.toml").write_text(
        '[project]\nmodel = "planned"\n[data]\ndataset = "rows"\n[train]\ncommand = "true"\ncode = []\n'
        '[export]\ncommand = "sh export.sh"\n'
    )
    words = ["model", "register", str(tmp_path / "w.safetensors"), "--name", "planned", "--project", str(tmp_path)]

    said = desk.run(*words, "--json")

    assert said.code == 0, said.err
    assert json.loads(said.out)["lineage"]["export"]["command"] == "sh export.sh"


def test_weights_without_a_command_are_refused_with_what_to_do(desk, tmp_path):
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")

    said = desk.run("model", "register", str(tmp_path / "w.safetensors"), "--name", "exported")

    assert said.code == 1
    assert "--export 'python export.py'" in said.err


def test_three_gigabytes_are_refused_before_they_are_uploaded(desk, tmp_path):
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(3 * 1024**3)

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "huge")

    assert said.code == 1
    assert "3,221,225,472 bytes; a hub takes at most 536,870,912" in said.err


def test_an_unknown_target_is_named_with_the_known_ones(desk, tmp_path):
    write_model(tmp_path / "m.onnx")
    desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "aimless")

    said = desk.run("optimize", "run", "aimless@1", "--target", "toaster")

    assert said.code in (1, 2)
    assert "toaster" in said.err
    assert "cpu-fp32" in said.err


def test_the_audit_log_tells_who_did_it_and_verifies(desk):
    desk.run("user", "create", "carla", "--role", "viewer", "--password-stdin", said="a long password\n")

    entries = json.loads(desk.run("audit", "ls", "--json").out)

    assert ("admin", "user.create", "carla") in [(one["actor"], one["action"], one["subject"]) for one in entries]
    assert desk.run("audit", "verify").code == 0


def write_model(path: Path) -> None:
    """y = 2 x for rows of three numbers."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")]
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "two"], ["y"])], "double", rows[:1], rows[1:], [two])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
