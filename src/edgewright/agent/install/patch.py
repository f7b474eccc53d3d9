"""Deltas are applied in a process of their own, as their parser reads foreign bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edgewright.agent.system import Child, Limits
from edgewright.contract.errors import HostileInput

DELTA_START_S = 60.0
SLOWEST_BYTES_S = 500_000  # of result: what takes longer is no delta, but a trap
DELTA_MEMORY_BYTES = 1024 * 1024 * 1024  # of address space: interpreter, numpy, and what the format needs


class Patching(Protocol):
    """A delta that is being applied."""

    def is_done(self) -> bool:
        """Whether the result is whole; raises HostileInput where there will be none."""
        ...

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once there is something to ask for."""
        ...

    def kill(self) -> None:
        """End it now, and wait for its end."""
        ...


Patch = Callable[[Path, Path, Path, int], Patching]
"""Begins to apply a delta to a base, and to write the result, of at most so many bytes."""


def start_patch(base: Path, delta: Path, result: Path, max_bytes: int) -> Patching:
    """Write what `delta` makes of `base` to `result`, in a child process.

    The applier keeps to `max_bytes` by itself; the kernel besides holds its process to it, and to a bounded memory.
    """
    arguments = ["apply", str(base), str(delta), str(result), str(max_bytes)]
    command = [sys.executable, "-m", "edgewright.contract.delta", *arguments]
    limits = Limits(file_bytes=max_bytes, address_bytes=DELTA_MEMORY_BYTES)
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}  # more would reserve address space, and have nothing to do
    return _Process(Child(command, limits=limits, variables=one_thread), DELTA_START_S + max_bytes / SLOWEST_BYTES_S)


class _Process:
    def __init__(self, child: Child, timeout_s: float) -> None:
        self._child = child
        self._timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s

    def is_done(self) -> bool:
        code = self._child.code()
        if code is None and time.monotonic() > self._ends_at:
            self.kill()
            raise HostileInput(f"the delta was not applied within {self._timeout_s:.0f} s")
        if code is None:
            return False
        self.kill()
        if code != 0:
            raise HostileInput(f"the delta does not apply (code {code})")
        return True

    def waits_on(self) -> tuple[int, ...]:
        return self._child.waits_on()

    def kill(self) -> None:
        self._child.kill()


def timed(patch: Patch, applied: Callable[[int, float], None], monotonic: Callable[[], float]) -> Patch:
    """The same, with `applied` told of every result: its bytes, and the seconds that it took."""

    def start(base: Path, delta: Path, result: Path, max_bytes: int) -> Patching:
        began = monotonic()
        patching = patch(base, delta, result, max_bytes)
        return _Timed(patching, lambda: applied(result.stat().st_size, monotonic() - began))

    return start


class _Timed:
    def __init__(self, patching: Patching, tell: Callable[[], None]) -> None:
        self._patching = patching
        self._tell = tell

    def is_done(self) -> bool:
        if not self._patching.is_done():
            return False
        self._tell()
        return True

    def waits_on(self) -> tuple[int, ...]:
        return self._patching.waits_on()

    def kill(self) -> None:
        self._patching.kill()
