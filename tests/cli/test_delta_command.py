"""`edgewright delta`: made, applied and looked into on this machine, without a hub."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from edgewright.cli.verbs.delta import lines_of
from edgewright.contract.delta import DeltaStats, Operation, TensorStats, make


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A base, what training made of it, the delta between them, and some other file."""
    folder = tmp_path_factory.mktemp("kept")
    random = np.random.default_rng(1)
    before = {f"layer.{number}.weight": random.normal(0, 0.1, (64, 48)).astype(np.float32) for number in range(4)}
    after = {
        name: (values + random.normal(0, 1e-4, values.shape)).astype(np.float32) for name, values in before.items()
    }
    (folder / "base").write_bytes(save(before))
    (folder / "new").write_bytes(save(after))
    (folder / "other").write_bytes(b"something else")
    make(folder / "base", folder / "new", folder / "delta")
    return folder


@pytest.fixture
def files(kept, tmp_path) -> Path:
    """Copies of them in a folder of one's own."""
    return Path(shutil.copytree(kept, tmp_path / "files"))


@pytest.fixture
def run(edgewright, files, monkeypatch):
    monkeypatch.chdir(files)
    return lambda *words: edgewright("delta", *words)


def test_what_is_made_applies_to_the_same_bytes(run, files):
    made = run("make", "base", "new", "delta", "--force")
    applied = run("apply", "base", "delta", "out", "--json")

    assert made.code == applied.code == 0
    assert "next: edgewright delta apply base delta RESULT" in made.err
    assert (files / "out").read_bytes() == (files / "new").read_bytes()
    assert applied.json == {
        "out": "out",
        "sha256": hashlib.sha256((files / "new").read_bytes()).hexdigest(),
        "result_bytes": (files / "new").stat().st_size,
        "delta_bytes": (files / "delta").stat().st_size,
    }


def test_a_dry_run_writes_nothing(run, files):
    before = {path.name: path.read_bytes() for path in files.iterdir()}

    made = run("make", "base", "new", "another", "--dry-run", "--json")
    applied = run("apply", "base", "delta", "out", "--dry-run", "--json")

    assert made.json["delta_bytes"] == len(before["delta"])
    assert applied.json["sha256"] == hashlib.sha256(before["new"]).hexdigest()
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


@pytest.mark.parametrize("words", [("make", "base", "new", "other"), ("apply", "base", "delta", "other")])
def test_what_is_there_is_replaced_by_force_alone(run, files, words):
    refused = run(*words)
    kept = (files / "other").read_bytes()
    forced = run(*words, "--force")

    assert (refused.code, kept) == (1, b"something else")
    assert "help: Choose another name, or replace it with --force." in refused.err
    assert forced.code == 0
    assert (files / "other").read_bytes() != kept


@pytest.mark.parametrize("out", ["base", "new", "."])
def test_not_even_force_replaces_what_is_read(run, files, out):
    before = {path.name: path.read_bytes() for path in files.iterdir()}

    refused = run("make", "base", "new", out, "--force")

    assert refused.code == 1
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("make", "base", "nowhere", "delta"), 2, "error[not_found]: there is no file nowhere"),
        (("make", "base", "new", "nowhere/delta"), 2, "error[not_found]: there is no folder nowhere"),
        (("apply", "other", "delta", "out"), 1, "error[wrong_base]"),
        (("apply", "base", "other", "out"), 1, "error[hostile_input]"),
        (("apply", "base", "delta", "out", "--max-bytes", "10"), 1, "error[hostile_input]"),
        (("stats", "other"), 1, "error[hostile_input]"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(run, files, words, code, said):
    before = sorted(path.name for path in files.iterdir())

    ended = run(*words)

    assert ended.code == code
    assert ended.err.startswith(said)
    assert sorted(path.name for path in files.iterdir()) == before


def test_the_table_says_where_the_bytes_go_in_80_columns(run):
    table = run("stats", "base", "new", "--top", "2")

    lines = table.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("layer.") and "float32" in line for line in lines[2:4])
    assert any(line.startswith("2 more tensors") for line in lines)
    assert any(line.startswith("outside tensors") for line in lines)
    assert any(line.startswith("total") and "×" in line for line in lines)


def test_stats_as_json_names_every_tensor_with_its_limit(run):
    stats = run("stats", "base", "new", "--json").json

    assert len(stats["tensors"]) == 4
    assert all(0 < tensor["entropy_bytes"] <= 1.1 * tensor["delta_bytes"] for tensor in stats["tensors"])


def test_a_delta_alone_is_told_by_its_operations(run, files):
    told = run("stats", "delta", "--json").json
    table = run("stats", "delta")

    assert told["result_sha256"] == hashlib.sha256((files / "new").read_bytes()).hexdigest()
    assert sum(part["result_bytes"] for part in told["operations"]) == told["result_bytes"]
    assert max(map(len, table.out.splitlines())) <= 80


def test_the_largest_come_first_and_the_lines_add_up():
    def tensor(name: str, delta_bytes: int) -> TensorStats:
        return TensorStats(name, "float32", Operation.DELTA, "same", 1000, delta_bytes, delta_bytes - 1)

    tensors = tuple(tensor(str(number), 10 * number) for number in range(1, 6))
    stats = DeltaStats(9000, 9000, 200, 20, 10, 150, 1.0, False, tensors)

    lines = lines_of(stats, 2)

    assert [line.name for line in lines] == ["5", "4", "3 more tensors", "outside tensors", "total"]
    assert sum(line.delta_bytes for line in lines[:-1]) == lines[-1].delta_bytes == 200
    assert sum(line.result_bytes for line in lines[:-1]) == lines[-1].result_bytes == 9000
