"""Bad input, as a person gives it to a real hub: a clear error, the right exit code, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper

from edgewright.cli.demo.site import examples_folder
from scenes.desk import Desk, Ended, until
from scenes.publishing import publish, register, write_rows

pytestmark = pytest.mark.e2e

REFUSED, USAGE, UNREACHABLE, NOT_ALLOWED = 1, 2, 3, 4


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    """A hub with a model in one version, one release that is ready, and nobody in the group `nobody`."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    try:
        desk.start_hub()
        publish(desk, register(desk, "digits"))
        desk.add_person("vera", "viewer")
        desk.done("group", "create", "nobody", "--selector", "site=nowhere")
        desk.done("group", "create", "all", "--selector", "all")
        yield desk
    finally:
        desk.close()


@pytest.fixture(scope="module")
def used_claim(desk) -> str:
    """A claim token with which a device has enrolled."""
    claim: str = desk.done("device", "claim")["tokens"][0]
    agent = desk.agent("owner", claim)
    until(lambda: len(desk.done("device", "ls")) == 1, "the device is enrolled")
    agent.terminate()
    assert agent.wait(timeout=30) == 0
    return claim


@pytest.fixture(scope="module")
def expired_claim(desk) -> str:
    claim: str = desk.done("device", "claim", "--expires", "0.001s")["tokens"][0]
    return claim


@pytest.fixture(scope="module")
def foreign_snapshot(desk, tmp_path_factory) -> str:
    """Rows of another model."""
    folder = tmp_path_factory.mktemp("foreign")
    for name in ("train", "holdout"):
        np.savez(folder / f"{name}.npz", Z=np.zeros((20, 3), np.float32), label=np.zeros(20, np.int64))
    snapshot: str = desk.done("data", "snapshot", "foreign", str(folder))["id"]
    return snapshot


@pytest.fixture(autouse=True)
def nothing_changes(desk, used_claim, expired_claim, foreign_snapshot) -> Iterator[None]:
    """Whatever a test of this file tries: afterwards the hub is as it was."""
    before = state(desk)

    yield

    assert state(desk) == before


def state(desk: Desk) -> dict[str, Any]:
    """Everything at the hub that a refused command could have left half-written."""
    with desk.client() as hub:
        overview = hub.overview()
        return {
            "models": overview.models,
            "releases": overview.releases,
            "rollouts": overview.rollouts,
            "runs": [(run.id, run.state) for run in overview.runs],
            "devices": [device.id for device in overview.devices],
            "snapshots": hub.snapshots.list(),
            "groups": hub.groups.list(),
            "people": hub.users.list(),
            "audit": [(entry.actor, entry.action, entry.subject) for entry in hub.audit.entries()],
            "drafts": sorted(path.name for path in (desk.home / "hub" / "blobs" / "incoming").iterdir()),
        }


def assert_refused(ended: Ended, code: int, *told: str) -> None:
    """The exit code, and an error in the style of rustc that names all of `told`, with a way out."""
    assert ended.code == code, ended.err
    assert ended.err.startswith("error["), ended.err
    assert "help: " in ended.err
    for words in told:
        assert words in ended.err


# -- models


def test_a_pickle_as_a_model(desk, tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))

    said = desk.run("model", "register", str(file), "--name", "evil")

    assert_refused(said, REFUSED, "--> source", "never loads pickles", "Export to ONNX")


def test_an_onnx_file_that_is_cut_short(desk, tmp_path):
    whole = (desk.home / "digits.onnx").read_bytes()
    file = tmp_path / "m.onnx"
    file.write_bytes(whole[: len(whole) // 2])

    said = desk.run("model", "register", str(file), "--name", "digits")

    assert_refused(said, REFUSED, "--> source", "cut short", "whole")


def test_an_onnx_file_whose_weights_lie_outside_its_folder(desk, tmp_path):
    write_outside(tmp_path / "m.onnx", "../../etc/passwd")

    said = desk.run("model", "register", str(tmp_path / "m.onnx"), "--name", "spy")

    assert_refused(said, REFUSED, "--> source", "../../etc/passwd")
    assert "root:" not in said.err


def test_a_contract_that_does_not_fit_the_model(desk, tmp_path):
    tensor = {"name": "pixels", "dtype": "float32", "shape": [None, 64]}
    (tmp_path / "contract.json").write_text(json.dumps({"inputs": [tensor], "outputs": []}))
    words = ["model", "register", str(desk.home / "digits.onnx"), "--name", "digits"]

    said = desk.run(*words, "--contract", str(tmp_path / "contract.json"))

    assert_refused(said, REFUSED, "--> contract.inputs.pixels", "X", "Correct the contract")


def test_a_contract_with_a_misspelt_key(desk, tmp_path):
    (tmp_path / "contract.json").write_text(json.dumps({"input": [], "outputs": []}))
    words = ["model", "register", str(desk.home / "digits.onnx"), "--name", "digits"]

    said = desk.run(*words, "--contract", str(tmp_path / "contract.json"))

    assert said.code in (REFUSED, USAGE)
    assert "input" in said.err


def test_a_model_that_is_not_there(desk, tmp_path):
    said = desk.run("model", "register", str(tmp_path / "none.onnx"), "--name", "digits")

    assert said.code in (REFUSED, USAGE)
    assert "none.onnx" in said.err
    assert "--> file" in said.err


@pytest.mark.parametrize("name", ["Digits", "a" * 41, "digits 2"])
def test_a_model_under_a_name_that_none_may_have(desk, name):
    said = desk.run("model", "register", str(desk.home / "digits.onnx"), "--name", name)

    assert_refused(said, REFUSED, "--> model", "lower-case letters")


@pytest.mark.parametrize("name", ["", "..", "../digits"])
def test_a_name_that_would_be_another_path(desk, name):
    said = desk.run("model", "register", str(desk.home / "digits.onnx"), "--name", name)

    assert_refused(said, USAGE, "--> name", repr(name))


def test_a_model_that_learned_from_an_unknown_snapshot(desk):
    words = ["model", "register", str(desk.home / "digits.onnx"), "--name", "digits"]

    said = desk.run(*words, "--snapshot", "digits@9")

    assert_refused(said, USAGE, "--> snapshot", "digits@9", "edgewright data ls")


def test_a_snapshot_that_does_not_fit_the_model(desk, foreign_snapshot):
    words = ["model", "register", str(desk.home / "digits.onnx"), "--name", "digits"]

    said = desk.run(*words, "--snapshot", foreign_snapshot)

    assert_refused(said, REFUSED, "--> holdout.npz.X", "it has Z, label", "another snapshot")


# -- names of things that are not there


@pytest.mark.parametrize(
    ("words", "field", "name"),
    [
        (["model", "show", "nothing"], "model", "nothing"),
        (["model", "show", "digits@9"], "version", "9"),
        (["release", "show", "digits/9"], "counter", "release 9"),
        (["release", "build", "digits@9"], "version", "9"),
        (["release", "approve", "digits/9"], "counter", "release 9"),
        (["rollout", "start", "digits/9", "--group", "all"], "counter", "release 9"),
        (["rollout", "start", "digits/1", "--group", "none"], "group", "none"),
        (["rollout", "show", "ro-9"], "rollout", "ro-9"),
        (["device", "show", "dev-9"], "device", "dev-9"),
        (["run", "show", "run-9"], "run", "run-9"),
        (["optimize", "run", "digits@9", "--target", "cpu-fp32"], "version", "9"),
        (["trigger", "set", "--model", "nothing"], "", ""),
    ],
)
def test_a_thing_that_is_not_there(desk, words, field, name):
    said = desk.run(*words)

    assert_refused(said, USAGE, field, name)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["release", "show", "digits"], "release"),
        (["model", "show", "digits@x"], "model"),
        (["rollout", "start", "digits/1", "--group", "all", "--shadow-agreement", "2"], "shadow"),
        (["device", "claim", "--expires", "soon"], "expires"),
        (["device", "claim", "--label", "berlin"], "label"),
        (["group", "create", "lanes"], "selector"),
        (["optimize", "run", "digits@1"], "target"),
    ],
)
def test_words_that_cannot_be_understood(desk, words, field):
    said = desk.run(*words)

    assert_refused(said, USAGE, field)


def test_an_unknown_target_is_told_with_the_known_ones(desk):
    said = desk.run("optimize", "run", "digits@1", "--target", "toaster")

    assert_refused(said, USAGE, "--> target", "toaster", "cpu-fp32", "cpu-int8")


def test_one_unknown_target_among_others_starts_none(desk):
    said = desk.run("optimize", "run", "digits@1", "--target", "cpu-fp32", "--target", "toaster")

    assert_refused(said, USAGE, "toaster")


# -- people


def test_a_wrong_password(desk):
    said = desk.run("login", "--user", "vera", "--password-stdin", said="not this one\n", hub=desk.url)

    assert_refused(said, NOT_ALLOWED, "password")


def test_a_viewer_who_builds(desk):
    said = desk.run("release", "build", "digits@1", user="vera")

    assert_refused(said, NOT_ALLOWED, "vera may not", "--> role", "engineer")


def test_a_viewer_who_uploads(desk, tmp_path):
    (tmp_path / "rows.bin").write_bytes(b"new bytes")

    said = desk.run("data", "snapshot", "digits", str(tmp_path), user="vera")

    assert_refused(said, NOT_ALLOWED, "vera may not", "--> role")


def test_somebody_whom_nobody_knows(desk):
    said = desk.run("whoami", user="nobody")

    assert_refused(said, NOT_ALLOWED, "nobody", "edgewright login")


# -- rollouts and devices


def test_a_rollout_to_an_empty_group(desk):
    said = desk.run("rollout", "start", "digits/1", "--group", "nobody")

    assert_refused(said, REFUSED, "--> group", "'nobody' has no devices")


def test_waves_that_do_not_rise(desk):
    said = desk.run("rollout", "start", "digits/1", "--group", "all", "--waves", "3,1")

    assert_refused(said, REFUSED, "--> waves", "(1,3,8)")


def test_a_used_claim_token(desk, used_claim):
    code, told = run_agent(desk, "thief", used_claim)

    assert code == NOT_ALLOWED
    assert "used" in told
    assert "help: " in told
    assert not (desk.home / "thief" / "identity.json").exists()


def test_an_expired_claim_token(desk, expired_claim):
    code, told = run_agent(desk, "late", expired_claim)

    assert code == NOT_ALLOWED
    assert "expired" in told
    assert "help: " in told
    assert not (desk.home / "late" / "identity.json").exists()


def test_a_claim_token_that_nobody_made(desk):
    code, told = run_agent(desk, "stranger", "ewc_" + "A" * 43)

    assert code == NOT_ALLOWED
    assert "claim" in told


# -- data


def test_a_pickle_in_a_snapshot(desk, tmp_path):
    np.savez(tmp_path / "train.npz", x=np.array([{"a": 1}], dtype=object))

    said = desk.run("data", "snapshot", "digits", str(tmp_path))

    assert_refused(said, REFUSED, "train.npz", "plain arrays")


def test_an_archive_that_is_cut_short_in_a_snapshot(desk, tmp_path):
    whole = (write_rows(tmp_path / "whole") / "train.npz").read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "train.npz").write_bytes(whole[:-200])

    said = desk.run("data", "snapshot", "digits", str(tmp_path / "cut"))

    assert_refused(said, REFUSED, "train.npz")


def test_an_upload_whose_bytes_are_not_the_announced_ones(desk):
    announced = hashlib.sha256(b"what was announced").hexdigest()

    reply = put_blob(desk, announced, b"something else")

    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == "sha256"
    assert head_blob(desk, announced).status_code == 404


def test_an_upload_under_something_that_is_no_digest(desk):
    reply = put_blob(desk, "..%2f..%2fhub.sqlite", b"evil")

    assert reply.status_code in (404, 422)
    assert (desk.home / "hub" / "hub.sqlite").read_bytes().startswith(b"SQLite format 3")


# -- projects


def test_a_project_file_with_a_misspelt_key(desk, tmp_path):
    text = (examples_folder() / "digits" / "edgewright.toml").read_text().replace("timeout_s", "timeuot_s")
    (tmp_path / "edgewright.toml").write_text(text)

    said = desk.run("train", "--project", str(tmp_path))

    assert_refused(said, REFUSED, "--> train.timeuot_s", "Did you mean train.timeout_s?")


def test_a_project_whose_code_is_not_there(desk, tmp_path):
    (tmp_path / "edgewright.toml").write_text((examples_folder() / "digits" / "edgewright.toml").read_text())

    said = desk.run("train", "--project", str(tmp_path))

    assert_refused(said, REFUSED, "--> train.code", "train.py")


# -- a hub that is not there


def test_a_hub_that_is_not_there_for_a_person(desk):
    said = desk.run("login", "--user", "ana", "--password-stdin", said="any\n", hub=nowhere())

    assert_refused(said, UNREACHABLE, "--> hub", "no hub answers at", "edgewright hub up")


def test_a_hub_that_is_not_there_for_a_device(desk):
    code, told = run_agent(desk, "lonely", "ewc_" + "A" * 43, hub=nowhere())

    assert code == UNREACHABLE
    assert "help: " in told
    assert not (desk.home / "lonely" / "identity.json").exists()


def test_an_address_that_is_none(desk):
    said = desk.run("login", "--user", "ana", "--password-stdin", said="any\n", hub="ftp://hub")

    assert_refused(said, REFUSED, "--> hub", "ftp://hub")


def nowhere() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def run_agent(desk: Desk, name: str, claim: str, hub: str = "") -> tuple[int, str]:
    """Run a device's agent to its end; returns its exit code and what it said."""
    agent = desk.agent(name, claim, hub=hub)
    _, told = agent.communicate(timeout=30)
    return agent.returncode, told


def put_blob(desk: Desk, sha256: str, body: bytes) -> httpx.Response:
    return httpx.put(f"{desk.url}/api/v1/blobs/{sha256}", content=body, headers=authorization(desk))


def head_blob(desk: Desk, sha256: str) -> httpx.Response:
    return httpx.head(f"{desk.url}/api/v1/blobs/{sha256}", headers=authorization(desk))


def authorization(desk: Desk) -> dict[str, str]:
    logins = json.loads((desk.home / "config" / "edgewright" / "credentials.json").read_text())["logins"]
    token = next(login["token"] for login in logins if login["user"] == "admin")
    return {"authorization": f"Bearer {token}"}


def write_outside(path: Path, location: str) -> None:
    """A model whose weights are said to lie in the file at `location`."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")]
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "spy", rows[:1], rows[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
