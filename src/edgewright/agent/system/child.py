"""One child process as a loop sees it: what it says, how it ended, and what to wait on for either."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edgewright.agent.system.children import start_bound
from edgewright.agent.system.limits import Limits

CHUNK_BYTES = 64 * 1024


class Child:
    """A bound child (see `start_bound`), its standard output read without waiting. `kill` must be called in the end."""

    def __init__(
        self, command: Sequence[str], *, limits: Limits, variables: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._process = start_bound(command, limits=limits, variables=variables)
        self._said = self._process.stdout
        if self._said is not None:
            os.set_blocking(self._said.fileno(), False)
        self._end = _watch(self._process.pid)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def read(self) -> bytes:
        """Some of what it has said since the last call; b'' for nothing, also once it says no more."""
        if self._said is None:
            return b""
        try:
            data = os.read(self._said.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._hang_up()
        return data

    def code(self) -> int | None:
        """Its exit code, or the negated number of the signal that killed it; None while it runs."""
        return self._process.poll()

    def waits_on(self) -> tuple[int, ...]:
        """Can be read once it says something, or ends (on Linux before 5.3: once it has closed its output)."""
        said = () if self._said is None else (self._said.fileno(),)
        return said if self._end is None else (*said, self._end)

    def kill(self) -> None:
        """End it if it still runs, wait for its end, and let go of it."""
        self._process.kill()
        self._process.wait()
        self._hang_up()
        if self._end is not None:
            os.close(self._end)
        self._end = None

    def _hang_up(self) -> None:
        if self._said is not None:
            self._said.close()
        self._said = None


def _watch(pid: int) -> int | None:
    """A descriptor that can be read once the process has ended; None where the kernel knows none (pidfd_open(2))."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
