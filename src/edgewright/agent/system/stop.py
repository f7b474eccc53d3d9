"""The wish to stop, told by a signal and heard wherever the agent waits."""

from __future__ import annotations

import contextlib
import os
import select
import signal


class Stop:
    """Safe to request from a signal handler, which may interrupt the very wait that it ends."""

    def __init__(self) -> None:
        self.is_requested = False
        self._hear, self._tell = os.pipe()
        os.set_blocking(self._tell, False)

    def request(self) -> None:
        """Ask the agent to stop."""
        self.is_requested = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._tell, b"\0")

    def wait(self, timeout_s: float) -> bool:
        """Wait so long, or until the stop is requested; say whether it is."""
        if not self.is_requested:
            select.select([self._hear], [], [], max(0.0, timeout_s))
        return self.is_requested

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request())
