"""The wish to stop, told by a signal and heard wherever the agent waits, in every thread."""

from __future__ import annotations

import math
import select
import signal
from collections.abc import Iterable

from edgewright.agent.system.bell import Bell


class Stop:
    """Safe to request from a signal handler, which may interrupt the very wait that it ends."""

    def __init__(self) -> None:
        self.is_requested = False
        self._bell = Bell()  # never hushed: once it has been rung, nobody waits any more

    def request(self) -> None:
        """Ask the agent to stop."""
        self.is_requested = True
        self._bell.ring()

    def wait(self, timeout_s: float, wakers: Iterable[int] = ()) -> bool:
        """Wait so long, or until one of the descriptors can be read, or the stop is requested; say whether it is."""
        if not self.is_requested:
            poll = select.poll()
            for fd in (self._bell.fileno(), *wakers):
                poll.register(fd, select.POLLIN)
            poll.poll(None if timeout_s == math.inf else max(0.0, timeout_s) * 1000)
        return self.is_requested

    def fileno(self) -> int:
        """Can be read once the stop is requested."""
        return self._bell.fileno()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request())
