"""The command line as a process and in process, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from edgewright.cli.app import run_words


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Nobody's real login is read or written."""
    for name in ("EDGEWRIGHT_HUB", "EDGEWRIGHT_USER", "EDGEWRIGHT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def edgewright(capsys) -> Callable[..., Said]:
    """Run a command in this process."""

    def run(*words: str) -> Said:
        code = run_words(list(words))
        seen = capsys.readouterr()
        return Said(code, seen.out, seen.err)

    return run


@pytest.fixture
def process() -> Callable[..., Said]:
    """Run a command as a process of its own."""

    def run(*words: str, **environment: str) -> Said:
        command = [sys.executable, "-c", "from edgewright.cli import main; main()", *words]
        ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
        return Said(ended.returncode, ended.stdout, ended.stderr)

    return run
