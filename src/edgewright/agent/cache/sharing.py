"""An agent's share in its neighbours' downloads: keeps the serving child alive, where the settings ask for it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from edgewright.agent.disk import Settings
from edgewright.agent.system import Limits, logs, start_bound
from edgewright.contract.errors import Unreachable

MEMORY_BYTES = 256 * 1024 * 1024
STOP_S = 2.0


class Sharing:
    """A Part. The child ends with this process, whatever happens; whatever happens to it harms nobody else."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = root
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None

    def waits_on(self) -> Iterable[int]:
        """The child's output, which ends when it does."""
        return () if self._child is None or self._child.stdout is None else (self._child.stdout.fileno(),)

    def turn(self) -> float:
        """Start the child where there is none; raises Unreachable where it has ended, and then waits its turn."""
        if not self._settings.share:
            return math.inf
        if self._child is not None and self._child.poll() is not None:
            code, self._child = self._child.returncode, None
            raise Unreachable(f"whoever serves the neighbours has ended with {code}", field="share")
        if self._child is None:
            host, _, port = self._settings.share.rpartition(":")
            rate = str(self._settings.share_bytes_s)
            command = [sys.executable, "-m", "edgewright.agent.cache.share", "--root", str(self._root)]
            command += ["--host", host.strip("[]"), "--port", port, "--bytes-s", rate]
            self._child = start_bound(command, limits=Limits(address_bytes=MEMORY_BYTES, nice=10))
            logs.say("blobs are shared with neighbours", address=self._settings.share)
        return math.inf

    def close(self) -> None:
        """End the child."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
