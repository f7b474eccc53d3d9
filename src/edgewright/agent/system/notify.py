"""What the service manager is told: that the agent is ready, alive, and stopping (sd_notify(3), with plain sockets)."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import Callable, Iterable, Mapping


class ServiceNotices:
    """A Part of the keeper: says READY at its first turn, WATCHDOG within half of its time, STOPPING when it is closed.

    Without a service manager (no NOTIFY_SOCKET) it says nothing.
    """

    def __init__(self, environment: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._period_s = _watchdog_s(environment) / 2
        self._monotonic = monotonic
        self._due_at = -math.inf
        self._is_ready = False

    def waits_on(self) -> Iterable[int]:
        """Nothing."""
        return ()

    def turn(self) -> float:
        """Say what is due."""
        if not self._is_ready:
            self._is_ready = True
            self.say("READY=1")
        now = self._monotonic()
        if now >= self._due_at:
            self._due_at = now + self._period_s
            if math.isfinite(self._period_s):
                self.say("WATCHDOG=1")
        return self._due_at - now

    def close(self) -> None:
        """Say that the agent stops."""
        self.say("STOPPING=1")

    def say(self, notice: str) -> None:
        """Send a notice; that nobody hears it is no fault of the agent's."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.setblocking(False)
            line.sendto(notice.encode(), self._address)


def _address(name: str) -> str:
    return "\0" + name[1:] if name.startswith("@") else name


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds within which a sign of life is due; infinite where nobody waits for one (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return math.inf
    try:
        return int(environment["WATCHDOG_USEC"]) / 1e6 or math.inf
    except (KeyError, ValueError):
        return math.inf
