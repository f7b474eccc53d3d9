"""A whole agent as a process, on a folder that has a model, with no hub far and wide: does it serve, does it stay?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from device import Device, Shelf
from faults.keeping import Claim
from faults.packages import ROWS, RealReleases
from serving import Client

PATIENCE_S = 20.0
RUN = (sys.executable, "-m", "edgewright.agent", "run", "--hub", "http://127.0.0.1:9", "--poll-s", "1", "--dir")
INFER = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [8, 4], "data": ROWS.ravel().tolist()}]}


def furnish(root: Path) -> None:
    """Make an enrolled device's folder, with release 2 at work and release 1 in the spare slot."""
    scenario, shelf = Claim(), Shelf()
    scenario.prepare(root)
    scenario.act(root)
    for counter in (1, 2):
        Device(root, shelf).take(RealReleases(shelf).install(counter))


class Living:
    """An agent that runs; what it says goes to `log`."""

    def __init__(self, root: Path, log: Path, *, before: Sequence[str] = (), **process: object) -> None:
        self.root = root
        self._log = log
        with log.open("wb") as file:
            command = [*before, *RUN, str(root)]
            self.process = subprocess.Popen(command, stderr=file, start_new_session=True, **process)  # type: ignore[call-overload]

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def serves(self, within_s: float = PATIENCE_S) -> bool:
        """Whether an app gets right answers over the socket, before the time is over and while the agent lives."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
                if ask(self.root) == (ROWS * 2).ravel().tolist():
                    return True
            time.sleep(0.05)
        return False

    def stays(self, for_s: float) -> bool:
        """Whether it still runs after so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=for_s)
        return self.process.poll() is None


def ask(root: Path) -> list[float]:
    """What the model's socket answers to ROWS."""
    client = Client(root / "run" / "digits.sock")
    try:
        return client.ask("POST", "/v2/models/digits/infer", INFER).json()["outputs"][0]["data"]
    finally:
        client.close()


@contextlib.contextmanager
def living(root: Path, log: Path, **more: object) -> Iterator[Living]:
    """An agent for as long as the block lasts."""
    agent = Living(root, log, **more)  # type: ignore[arg-type]
    try:
        yield agent
    finally:
        _signal(agent, signal.SIGTERM)
        try:
            agent.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            _signal(agent, signal.SIGKILL)
            agent.process.wait()


def _signal(agent: Living, number: signal.Signals) -> None:
    """To all of its processes: what stands before the agent may not pass it on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(agent.process.pid, number)
