"""Every command: it has help, stands in the reference, takes --json, and costs little to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from edgewright.cli import app

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAVY = ("httpx", "numpy", "onnxruntime", "onnx", "tuf", "cryptography", "sqlalchemy", "litestar", "edgewright.hub")


CHANGES = {
    "alert ack",
    "alert comment",
    "alert reopen",
    "alert resolve",
    "alert route rm",
    "alert route set",
    "alert snooze",
    "approval approve",
    "approval reject",
    "bench start",
    "bench cancel",
    "bundle export",
    "user create",
    "data snapshot",
    "data erase",
    "data label",
    "data policy",
    "delta apply",
    "evaluation run",
    "policy set",
    "delta make",
    "model register",
    "pipeline run",
    "train",
    "optimize run",
    "optimize choose",
    "optimize cancel",
    "release build",
    "release sign",
    "release sign-promoted",
    "release approve",
    "release deltas",
    "release export",
    *(f"keys {verb}" for verb in ("init", "add", "rotate", "revoke", "renew", "sign", "drop", "ceremony")),
    *(f"device {verb}" for verb in ("claim", "replace", "label", "approve", "reject", "release", "retire", "revoke")),
    *(f"device {verb}" for verb in ("pin", "hold", "force", "free")),
    *(f"group {verb}" for verb in ("create", "set", "rm")),
    *(f"target {verb}" for verb in ("new", "add", "rm", "probe")),
    "hub toolchain install",
    "hub toolchain rm",
    "rollout start",
    "rollout pause",
    "rollout resume",
    "rollout promote",
    "rollout abort",
    "rollout rollback",
    *(f"trigger {verb}" for verb in ("set", "fire", "pause", "resume", "secret", "rm")),
    "run cancel",
    *(f"worker {verb}" for verb in ("add", "drain", "rm")),
}
ROOT = typer.main.get_command(app)


def verbs() -> dict[tuple[str, ...], Any]:
    """Every command by its words."""
    found: dict[tuple[str, ...], Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        for name, one in getattr(command, "commands", {}).items():
            walk(one, (*words, name))
        if not hasattr(command, "commands"):
            found[words] = command

    walk(ROOT, ())
    return found


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_command_has_help(words, capsys):
    code = ROOT.main([*words, "--help"], prog_name="edgewright", standalone_mode=False)

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith(f"Usage: edgewright {' '.join(words)}")
    assert max(map(len, out.splitlines())) <= 80


def test_no_help_in_a_list_of_commands_is_cut(capsys):
    groups = {words[:-1] for words in verbs()}

    for words in groups:
        ROOT.main([*words, "--help"], prog_name="edgewright", standalone_mode=False)

    assert [line for line in capsys.readouterr().out.splitlines() if line[:1] == " " and line.endswith("...")] == []


def test_every_command_takes_json():
    assert [words for words, command in verbs().items() if "--json" not in options(command)] == []


def test_what_changes_something_takes_a_dry_run():
    with_dry_run = {" ".join(words) for words, command in verbs().items() if "--dry-run" in options(command)}

    assert with_dry_run == CHANGES


def test_every_command_stands_in_the_reference():
    text = REFERENCE.read_text()

    assert [words for words in verbs() if f"`edgewright {' '.join(words)}`" not in text] == []


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from edgewright.cli.app import run_words\n"
        "run_words(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
        "print(len(sys.modules), file=sys.stderr)\n"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy, count = ended.stderr.splitlines()
    assert heavy == "[]"
    assert int(count) < 400
