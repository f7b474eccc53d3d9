"""What others verify a release by, from the command line alone: content signatures, provenance, exported packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope

from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Role
from scenes.desk import Desk
from scenes.publishing import publish, write_model, write_rows

pytestmark = pytest.mark.e2e
LABELS = "".join(f"digit {number}\n" for number in range(10))


@dataclass(frozen=True)
class Published:
    """A release whose packages carry labels and an asset."""

    desk: Desk
    release: str
    exported: Path


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Iterator[Published]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.start_hub()
    rows = write_rows(desk.home / "rows")
    snapshot = desk.done("data", "snapshot", "digits", str(rows))["id"]
    model = write_model(rows, desk.home / "digits.onnx")
    files = []
    for name, text, role in (("names.txt", LABELS, "labels"), ("words.json", "{}", "asset")):
        (desk.home / name).write_text(text)
        files += ["--file", f"{desk.home / name}:{role}"]
    version = desk.done("model", "register", str(model), "--name", "digits", "--snapshot", snapshot, *files)
    assert [file["name"] for file in version["files"]] == ["names.txt", "words.json"]
    release = publish(desk, "digits@1")
    exported = desk.home / "exported"
    said = desk.run("release", "export", release, str(exported), "--target", "cpu-fp32")
    assert said.code == 0, said.err
    assert "model_signing verify key" in said.err
    yield Published(desk, release, exported)
    desk.stop_hub()


def test_an_exported_package_is_whole_and_holds_what_was_added(published):
    manifest = manifests.decode((published.exported / "package" / "manifest.json").read_bytes())

    for file in manifest.files:
        assert manifests.digest((published.exported / "package" / file.name).read_bytes()) == file.sha256
    assert manifest.find(Role.LABELS).name == "names.txt"
    assert [file.name for file in manifest.files if file.role is Role.ASSET] == ["words.json"]
    assert manifest.hardware_class == "cpu"


def test_the_reference_implementation_verifies_what_release_sign_has_signed(published):
    ended = model_signing(published.exported, published.exported / "package")

    assert ended.returncode == 0, ended.stderr
    assert "succeeded" in ended.stdout


def test_the_reference_implementation_refuses_a_package_with_one_changed_file(published, tmp_path):
    changed = tmp_path / "package"
    changed.mkdir()
    for file in (published.exported / "package").iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "names.txt").write_text(LABELS.replace("digit 3", "digit 8"))

    ended = model_signing(published.exported, changed)

    assert ended.returncode != 0
    assert "names.txt" in ended.stderr


def test_the_statements_say_what_the_package_was_made_of(published):
    lines = (published.exported / "provenance.intoto.jsonl").read_bytes().splitlines()

    said = [json.loads(Envelope.from_dict(json.loads(line)).payload) for line in lines]

    package = manifests.digest((published.exported / "package" / "manifest.json").read_bytes())
    model = manifests.digest((published.exported / "package" / "model.onnx").read_bytes())
    assert [one["predicateType"] for one in said] == ["https://slsa.dev/provenance/v1"] * 2
    assert [one["subject"][0]["digest"]["sha256"] for one in said] == [model, package]
    made_of = {one["name"]: one["digest"] for one in said[1]["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert made_of["digits@1/cpu-fp32"] == {"sha256": model}


def test_provenance_shows_every_link_and_verify_counts_them(published, tmp_path):
    shown = published.desk.run("release", "provenance", published.release, "--out", str(tmp_path / "out.jsonl"))
    report = published.desk.done("release", "provenance", published.release)
    verified = published.desk.done("release", "verify", published.release)

    assert shown.code == 0, shown.err
    assert "every link holds" in shown.err
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 2
    assert [one["kind"] for one in report["statements"]] == ["optimisation", "packaging"]
    checks = [check["what"] for check in verified["checks"]]
    assert {check["what"] for check in report["checks"]} < set(checks)
    assert "OpenSSF model signature of cpu-fp32" in checks


def test_an_export_needs_a_folder_of_its_own_and_a_target_of_the_release(published, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")

    full = published.desk.run("release", "export", published.release, str(tmp_path / "full"), "--target", "cpu-fp32")
    aimless = published.desk.run("release", "export", published.release, str(tmp_path / "new"), "--target", "toaster")
    dry = published.desk.run(
        "release", "export", published.release, str(tmp_path / "new"), "--target", "cpu-fp32", "--dry-run"
    )

    assert (full.code, aimless.code, dry.code) == (1, 2, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("needs", "code"), [("nothing", 2), ("digits>=1", 1), ("digits>", 2), (">=2", 2), ("plates>=x", 2)]
)
def test_a_release_can_need_only_other_models_that_are_known(published, needs, code):
    said = published.desk.run("release", "build", "digits@1", "--needs", needs, "--dry-run")

    assert said.code == code
    assert said.err.startswith("error")


@pytest.mark.parametrize("file", ["names.txt", "names.txt:model", "missing.txt:labels", ":labels"])
def test_a_file_that_is_not_there_or_for_nothing_is_refused(published, file):
    home = published.desk.home

    said = published.desk.run("model", "register", str(home / "digits.onnx"), "--name", "digits", "--file", file)

    assert said.code in (1, 2)
    assert said.err.startswith("error")


def model_signing(exported: Path, package: Path) -> subprocess.CompletedProcess[str]:
    """The reference implementation's command, as anybody would call it."""
    tool = str(Path(sys.executable).with_name("model_signing"))
    words = [tool, "verify", "key", str(package), "--signature", str(exported / "model.sig")]
    return subprocess.run(
        [*words, "--public_key", str(exported / "model-signing.pem")], capture_output=True, text=True, check=False
    )
