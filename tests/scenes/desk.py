"""A person's desk: a terminal, and the hub and the agents that were started from it, all of them real."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from edgewright.cli.app import run_words
from edgewright.client import Client

PYTHON = [sys.executable, "-m"]
POLL_S = 0.2
LOOK_EVERY_S = 0.05
PATIENCE_S = 60.0
PASSWORD = "a long password"


@dataclass(frozen=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A home folder of its own. `close` ends every process that was started here.

    The hub keeps its records in SQLite, or in `database`, which is chosen where the tests run on PostgreSQL.
    """

    home: Path
    database: str = ""
    hub: subprocess.Popen[str] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    agents: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.database and os.environ.get("EDGEWRIGHT_TEST_DATABASE") == "postgresql":
            from scenes.databases import database_url

            self.database = database_url(self.home)

    @property
    def url(self) -> str:
        return self.facts["hub"]

    def start_hub(self, *options: str) -> dict[str, str]:
        """Start the hub, the first time at a free port and then at that one again; returns what it printed."""
        port = urlsplit(self.url).port if self.facts else 0
        words = ["hub", "up", "--dir", str(self.home / "hub"), "--port", str(port), "--json", *options]
        self.hub = self._start("edgewright.cli", words, stdout=subprocess.PIPE)
        assert self.hub.stdout is not None
        line = self.hub.stdout.readline()
        assert line, self.hub.communicate()[1]
        self.facts |= json.loads(line)
        return self.facts

    def kill_hub(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.hub is not None
        self.hub.kill()
        self.hub.communicate()

    def stop_hub(self) -> Ended:
        """SIGTERM; returns what the hub said in the end."""
        assert self.hub is not None
        self.hub.send_signal(signal.SIGTERM)
        out, err = self.hub.communicate(timeout=PATIENCE_S)
        return Ended(self.hub.returncode, out, err)

    def run(self, *words: str, said: str = "", user: str = "admin", hub: str = "") -> Ended:
        """Run a command of the command line in this process, with `said` on its standard input."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in {**self._names(), "EDGEWRIGHT_USER": user, "EDGEWRIGHT_HUB": hub}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(said))
            code = run_words(list(words))
        return Ended(code, out.getvalue(), err.getvalue())

    def done(self, *words: str, **options: str) -> Any:
        """Run a command that must succeed, and return the JSON that it prints."""
        ended = self.run(*words, "--json", **options)
        assert ended.code == 0, ended.err
        return ended.json

    def client(self, user: str = "admin") -> Client:
        """What the command line itself uses to reach the hub."""
        return Client.from_environment({**self._names(), "EDGEWRIGHT_USER": user})

    def add_person(self, name: str, *roles: str) -> None:
        """Make somebody, who then logs in here."""
        words = [word for role in roles for word in ("--role", role)]
        self.done("user", "create", name, *words, "--password-stdin", said=f"{PASSWORD}\n")
        self.done("login", "--user", name, "--password-stdin", said=f"{PASSWORD}\n", hub=self.url)

    def agent(self, name: str, claim: str, *options: str, hub: str = "") -> subprocess.Popen[str]:
        """Start a device's agent in a folder of its own."""
        words = ["run", "--dir", str(self.home / name), "--hub", hub or self.url, "--claim", claim, "--name", name]
        agent = self._start("edgewright.agent", [*words, "--poll-s", str(POLL_S), *options])
        self.agents.append(agent)
        return agent

    def close(self) -> None:
        """End every process."""
        for process in [*self.agents, self.hub]:
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()

    def _start(self, module: str, words: list[str], stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        environment = {**os.environ, **self._names(), "OMP_NUM_THREADS": "1"}
        command = [*PYTHON, module, *words]
        return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)

    def _names(self) -> dict[str, str]:
        names = {"XDG_CONFIG_HOME": str(self.home / "config"), "COLUMNS": "80"}
        return names | ({"EDGEWRIGHT_HUB_DATABASE_URL": self.database} if self.database else {})


def until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look again and again until `holds`, and fail after `patience_s`."""
    deadline, look = time.monotonic() + patience_s, Event()
    while not holds():
        assert time.monotonic() < deadline, f"after {patience_s:g} s it still does not hold that {what}"
        look.wait(LOOK_EVERY_S)
