"""Errors as people and programs see them: words on stderr, an object on stdout with --json, and exit codes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

PROJECT = '[project]\nmodel = "m"\n[data]\ndataset = "d"\n[train]\ncommand = "c"\ncode = ["train.py"]\n'


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_hub_that_is_not_there_gives_code_3_and_its_address(process, nobody):
    said = process("model", "ls", EDGEWRIGHT_HUB=nobody)

    assert said.code == 3
    assert said.out == ""
    assert said.err.startswith(f"error[unreachable]: no hub answers at {nobody}")
    assert "\n  --> hub\n" in said.err
    assert "\nhelp: Start one with `edgewright hub up --dir DIR`" in said.err


def test_with_json_the_error_is_on_stdout_too(process, nobody):
    said = process("model", "ls", "--json", EDGEWRIGHT_HUB=nobody)

    assert said.code == 3
    assert said.json["error"]["code"] == "unreachable"
    assert said.json["error"]["field"] == "hub"
    assert said.err.startswith("error[unreachable]")


def test_without_a_login_the_code_is_4(edgewright):
    said = edgewright("device", "ls")

    assert said.code == 4
    assert "edgewright login" in said.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["model", "ls", "--colour"], "no such option: --colour"),
        (["model", "regster"], "no such command 'regster'. Did you mean 'register'?"),
        (["release", "show"], "missing argument"),
        (["device", "claim", "--count", "none"], "--count"),
        (["hub", "up"], "\n  --> --dir\n"),
        (["device", "claim", "--count", "0"], "--count"),
        (["device", "claim", "--expires", "soon"], "'soon' is not a time span"),
        (["device", "claim", "--label", "berlin"], "'berlin' is not of the form name=value"),
        (["rollout", "start", "digits", "--group", "g"], "'digits' is not a release"),
        (["rollout", "start", "digits/1", "--group", "g", "--waves", "1;3"], "'1;3' is no wave"),
        (["group", "create", "g"], "a group is made by a selector or by devices"),
        (["user", "create", "bob", "--role", "king"], "'king' is not a valid Role"),
        (["trigger", "set"], "no model is named"),
        (["release", "verify", "digits@1"], "'digits@1' is not a release"),
    ],
)
def test_wrong_usage_gives_code_2_and_says_what(words, what, edgewright, monkeypatch, nobody):
    monkeypatch.setenv("EDGEWRIGHT_HUB", nobody)

    said = edgewright(*words)

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("error[usage]: ")
    assert what in said.err
    assert "\nhelp: " in said.err


def test_wrong_usage_is_json_where_json_was_asked_for(edgewright):
    said = edgewright("model", "ls", "--colour", "--json")

    assert said.code == 2
    assert said.json["error"]["code"] == "usage"


def test_a_group_without_a_verb_shows_its_verbs(edgewright):
    said = edgewright("release")

    assert said.code == 2
    assert said.out == ""
    assert "approve" in said.err


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "there is no"),
        (PROJECT.replace("code", "cod"), "there is no key train.cod"),
        (PROJECT.replace('"d"', "3"), "expected `str`, got `int`"),
        (PROJECT, "no file matches 'train.py'"),
    ],
)
def test_a_project_with_a_mistake_gives_code_1_and_names_the_place(
    text, what, edgewright, tmp_path, monkeypatch, nobody
):
    monkeypatch.setenv("EDGEWRIGHT_HUB", nobody)
    if text is not None:
        (tmp_path / "edgewright.toml").write_text(text)

    said = edgewright("train", "--project", str(tmp_path))

    assert said.code == 1
    assert what in said.err
    assert "  --> " in said.err


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("id,label\na,1\n", "lacks the columns sample and label"),
        ("sample,label\na,cat\n", "line 2, label: 'cat' is not a label"),
        ("sample,label\n,1\n", "line 2, sample: neither a sample nor a reference is named"),
    ],
)
def test_labels_with_a_mistake_name_the_line(text, what, edgewright, tmp_path):
    (tmp_path / "labels.csv").write_text(text)

    said = edgewright("data", "label", str(tmp_path / "labels.csv"))

    assert said.code == 1
    assert what in said.err


def test_a_contract_that_is_no_contract_names_the_file_and_the_place(edgewright, tmp_path):
    (tmp_path / "contract.json").write_text('{"inputs": [{"name": 3}], "outputs": []}')

    said = edgewright("model", "register", "x.onnx", "--name", "m", "--contract", str(tmp_path / "contract.json"))

    assert said.code == 1
    assert "contract.json" in said.err
    assert "$.inputs[0].name" in said.err


def test_a_port_that_is_taken_is_refused_before_anything_is_made(edgewright, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = edgewright("hub", "up", "--dir", str(tmp_path / "hub"), "--port", str(taken.getsockname()[1]))

    assert said.code == 1
    assert "choose another port with --port" in said.err
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("mysql://host/name", 2, "not in 'mysql'"),
        ("what?", 2, "not one that can be read"),
        ("postgresql://ana:s3cret@127.0.0.1:1/name", 3, "ana:***@127.0.0.1:1"),
    ],
)
def test_a_database_that_will_not_do_is_refused_before_anything_is_made(edgewright, tmp_path, address, code, says):
    said = edgewright("hub", "up", "--dir", str(tmp_path / "hub"), "--port", "0", "--database", address)

    assert said.code == code
    assert says in said.err
    assert "s3cret" not in said.err
    assert "help: " in said.err
    assert not (tmp_path / "hub").exists()


def test_errors_have_no_colour_off_a_terminal(process):
    assert "\x1b" not in process("device", "ls").err
