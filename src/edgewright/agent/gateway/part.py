"""The supervisor's side: the gateway's process is started, and started again when it ends."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edgewright.agent.system import Child, Limits, logs

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
SETTLED_S = 60.0
STOP_S = 3.0  # to answer what is in flight
MEMORY_BYTES = 512 * 1024 * 1024
COMMAND = (sys.executable, "-m", "edgewright.agent.gateway.child")


class Gateway:
    """Keeps the gateway of `root` on 127.0.0.1:`port`; the pause before a new start doubles while it keeps ending."""

    def __init__(self, root: Path, port: int, monotonic: Callable[[], float], command: Sequence[str] = COMMAND) -> None:
        self._command = [*command, "--root", str(root), "--port", str(port)]
        self._monotonic = monotonic
        self._child: Child | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause_s = FIRST_PAUSE_S

    def waits_on(self) -> Iterable[int]:
        """Its end."""
        return self._child.waits_on() if self._child is not None else ()

    def turn(self) -> float:
        """Start it if that is due; notice its end."""
        now = self._monotonic()
        if self._child is not None:
            while self._child.read():
                pass  # it has nothing to say
            if (code := self._child.code()) is None:
                return math.inf
            self._ended(code, now)
        if now < self._start_at:
            return self._start_at - now
        self._child = Child(self._command, limits=Limits(data_bytes=MEMORY_BYTES))
        self._started_at = now
        return math.inf

    def close(self) -> None:
        """End it; it has some seconds to answer what is in flight."""
        if self._child is None:
            return
        ends_at = self._monotonic() + STOP_S
        if self._child.code() is None:
            os.kill(self._child.pid, signal.SIGTERM)
        while self._child.code() is None and (left_s := ends_at - self._monotonic()) > 0:
            select.select(self._child.waits_on(), [], [], left_s)
            self._child.read()
        self._child.kill()
        self._child = None

    def _ended(self, code: int, now: float) -> None:
        self.close()
        if now - self._started_at >= SETTLED_S:
            self._pause_s = FIRST_PAUSE_S
        self._start_at = now + self._pause_s
        logs.warn("the gateway has ended", code=code, again_in_s=self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
