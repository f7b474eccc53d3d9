"""`edgewright keys` on a real hub: one person's keys, several people's rings, and a draft that goes round as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenes.desk import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.start_hub()
    yield desk
    desk.close()


@pytest.fixture
def ring(desk) -> str:
    return str(desk.home / "hub-operator")


def role(desk: Desk, name: str):
    return next(one for one in desk.done("keys", "ls")["roles"] if one["role"] == name)


def test_keys_are_listed_with_what_they_are_for_and_when_roles_expire(desk):
    listed = desk.done("keys", "ls")
    shown = desk.run("keys", "ls")

    assert [key["name"] for key in listed["keys"]][:4] == ["root-1", "root-2", "root-3", "targets"]
    assert [one["role"] for one in listed["roles"]][:3] == ["root", "targets", "release"]
    assert "2 of 3" in shown.out
    assert "WARNING" not in shown.err
    assert max(map(len, shown.out.splitlines())) <= 80


def test_a_rehearsal_of_a_rotation_makes_no_key_and_no_draft(desk):
    before = desk.done("keys", "ls")

    said = desk.run("keys", "rotate", "release-1", "--dry-run")

    assert said.code == 0
    assert "changes rule for releases of new models" in said.err
    assert "dry run, nothing was changed" in said.err
    assert desk.done("keys", "ls") == before


def test_nothing_is_signed_without_a_yes_and_somebody_signs_it_later(desk):
    drafted = desk.run("keys", "rotate", "root-3", "--json")
    number = json.loads(drafted.out)["number"]
    waiting = desk.run("keys", "ls")

    signed = desk.done("keys", "sign", str(number), "--yes")

    assert "not signed: say --yes" in drafted.err
    assert f"change {number} by admin lacks root: 2 of" in waiting.err
    assert signed["state"] == "published"
    assert role(desk, "root")["version"] == 2


def test_a_draft_can_be_withdrawn(desk):
    number = json.loads(desk.run("keys", "rotate", "snapshot", "--json").out)["number"]

    assert desk.done("keys", "drop", str(number))["state"] == "dropped"
    assert desk.run("keys", "sign", str(number), "--yes").code == 1


def test_online_keys_are_swapped_in_the_running_hub(desk):
    before = {name: role(desk, name)["keys"] for name in ("timestamp", "director", "audit")}

    record = desk.done("keys", "rotate", "online", "--yes")

    assert record["state"] == "published"
    after = {name: role(desk, name) for name in before}
    assert all(after[name]["keys"] != before[name] and not after[name]["problem"] for name in before)
    assert desk.run("audit", "verify").code == 0


def test_somebody_elses_public_ring_adds_keys_and_a_threshold_for_a_model(desk, tmp_path):
    desk.done("keys", "init", "--role", "release", "--name", "release-mara", "--keys", str(tmp_path / "mara"))
    public = str(tmp_path / "mara" / "keyring.json")
    words = ["release", "--public", public, "--model", "digits", "--threshold", "2"]

    record = desk.done("keys", "add", *words, "--yes")

    assert record["state"] == "published"
    assert (role(desk, "release-digits")["threshold"], len(role(desk, "release-digits")["keys"])) == (2, 2)
    assert "PRIVATE" not in (tmp_path / "mara" / "keyring.json").read_text()


def test_the_successor_of_a_key_for_one_model_is_for_that_model_alone(desk, ring):
    desk.done("keys", "add", "release", "--model", "others", "--name", "of-others", "--yes")

    desk.done("keys", "rotate", "of-others", "--name", "of-others-2", "--yes")

    models = {key["name"]: key["model"] for key in json.loads(Path(ring, "keyring.json").read_bytes())["keys"]}
    assert models["of-others-2"] == models["of-others"] == "others"


def test_a_draft_goes_round_as_a_file_and_is_signed_where_there_is_no_hub(desk, ring, tmp_path):
    drafted = json.loads(desk.run("keys", "renew", "--json").out)
    draft = str(tmp_path / "draft.json")
    desk.done("keys", "ceremony", str(drafted["number"]), "--out", draft)

    signed = desk.run("keys", "ceremony", "--sign", draft, "--keys", ring, "--yes", hub="http://127.0.0.1:9")
    published = desk.done("keys", "ceremony", "--publish", draft)

    assert signed.code == 0, signed.err
    assert "root version" in signed.err
    assert published["state"] == "published"


def test_a_ring_without_the_keys_signs_nothing(desk, tmp_path):
    desk.done("keys", "init", "--role", "model-signing", "--keys", str(tmp_path / "eve"))
    number = json.loads(desk.run("keys", "renew", "--json").out)["number"]

    said = desk.run("keys", "sign", str(number), "--yes", "--keys", str(tmp_path / "eve"))

    assert said.code == 1
    assert "no key here may sign" in said.err
    desk.done("keys", "drop", str(number))


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("rotate", "nobody"), 2, "unknown_key"),
        (("revoke", "targets"), 1, "too_few_keys"),
        (("revoke", "ffffffffffff"), 2, "unknown_key"),
        (("add", "root", "--key", "nobody"), 2, "unknown_key"),
        (("add", "release", "--threshold", "9", "--key", "release-1"), 1, "too_few_keys"),
        (("init", "--role", "king", "--keys", "k"), 1, "invalid_input"),
        (("init", "--role", "root", "--kind", "clay", "--keys", "k"), 2, "not_found"),
        (("ceremony",), 2, "usage"),
        (("sign", "99"), 2, "unknown_change"),
        (("ls", "--keys", "nowhere"), 0, ""),
    ],
)
def test_what_cannot_be_is_refused_in_words(desk, words, code, what, monkeypatch):
    monkeypatch.chdir(desk.home)

    said = desk.run("keys", *words)

    assert said.code == code, said.err
    assert f"error[{what}]" in said.err or not what
    assert not (desk.home / "k" / "keyring.json").exists()


def test_the_version_is_told_by_an_option_too(desk):
    assert desk.run("--version").out == desk.run("version").out


@pytest.mark.e2e
def test_three_people_hold_a_hubs_first_ceremony_each_on_a_machine_of_his_own(tmp_path):
    desk = Desk(tmp_path)
    try:
        desk.start_hub("--no-ceremony")
        desk.add_person("otto", "operator")
        told = desk.stop_hub()
        desk.start_hub()  # it goes on waiting: nobody makes a root behind their backs
        for name in ("ana", "ben", "cyd"):
            desk.done("keys", "init", "--role", "root", "--name", f"root-{name}", "--keys", str(tmp_path / name))
        for name in ("targets", "release"):
            desk.done("keys", "init", "--role", name, "--keys", str(tmp_path / "ana"))
        rings = [word for name in ("ana", "ben", "cyd") for word in ("--ring", str(tmp_path / name))]

        number = str(desk.done("keys", "ceremony", *rings, user="otto")["number"])
        first = desk.done("keys", "sign", number, "--yes", "--keys", str(tmp_path / "cyd"), user="otto")
        last = desk.done("keys", "sign", number, "--yes", "--keys", str(tmp_path / "ana"), user="otto")

        assert "this hub has no root of trust yet" in told.err
        assert not (tmp_path / "hub-operator").exists()
        assert (first["state"], last["state"]) == ("draft", "published")
        assert [piece["role"] for piece in last["pieces"]] == ["root", "targets"]
        assert desk.done("device", "claim", "--label", "target=cpu-int8")
        assert not [one for one in desk.done("keys", "ls", "--keys", str(tmp_path / "ana"))["roles"] if one["problem"]]
        assert not list((tmp_path / "hub").rglob("root*.pem"))
    finally:
        desk.close()
