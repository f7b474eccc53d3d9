"""The supervisor's end of a trial: the worker is started, heard line by line, and killed. No numpy here."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgewright.agent.system import Child, Limits
from edgewright.agent.trial.lines import MAX_LINE_BYTES, Line, decode_line
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Shadow


class Trial(Protocol):
    """A candidate on trial."""

    def lines(self) -> list[Line]:
        """What the worker has said since the last call. Raises HostileInput."""
        ...

    def ending(self) -> str:
        """'' while the worker runs, then how it ended."""
        ...

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once there is something to hear."""
        ...

    def kill(self) -> None:
        """End it now, and wait for its end."""
        ...


class Trials(Protocol):
    """Starts trials."""

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> Trial:
        """Try the package in `slot`; with `shadow`, also against the one in `active`, heard on `socket`."""
        ...


class TrialWorkers:
    """Trials in processes of their own: a model that crashes its runtime takes nobody with it."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "edgewright.agent.trial.worker")) -> None:
        self._command = command

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> Trial:
        """Start a worker."""
        arguments = ["--slot", str(slot), "--active", str(active or "")]
        if shadow is not None and active is not None:
            arguments += ["--shadow-socket", str(socket), "--min-requests", str(shadow.min_requests)]
            arguments += ["--max-wait-s", str(shadow.max_wait_s)]
        return Worker([*self._command, *arguments])


class Worker:
    """A running worker process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._child = Child(command, limits=Limits())
        self._heard = b""

    def lines(self) -> list[Line]:
        """What it has said since the last call."""
        while chunk := self._child.read():
            self._heard += chunk
            if b"\n" not in chunk and len(self._heard) > MAX_LINE_BYTES:
                raise HostileInput("the worker does not end its line")
        *whole, self._heard = self._heard.split(b"\n")
        return [decode_line(line) for line in whole]

    def ending(self) -> str:
        """'' while it runs."""
        code = self._child.code()
        if code is None:
            return ""
        return f"the worker was killed by {_signal_name(-code)}" if code < 0 else f"the worker ended with code {code}"

    def waits_on(self) -> tuple[int, ...]:
        """Can be read once it says something, or ends."""
        return self._child.waits_on()

    def kill(self) -> None:
        """End it, and wait for its end."""
        self._child.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
