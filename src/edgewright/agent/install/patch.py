"""Deltas are applied in a process of their own, as their parser reads foreign bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgewright.agent.system import start_bound
from edgewright.contract.errors import HostileInput

DELTA_START_S = 60.0
SLOWEST_BYTES_S = 500_000  # of result: what takes longer is no delta, but a trap
DELTA_MEMORY_BYTES = 1024 * 1024 * 1024  # of address space: interpreter, numpy, and what the format needs


Patch = Callable[[Path, Path, Path, int], None]
"""Applies a delta to a base and writes the result, of at most so many bytes; raises HostileInput."""


def apply_delta(base: Path, delta: Path, result: Path, max_bytes: int) -> None:
    """Write what `delta` makes of `base` to `result`; raises HostileInput, also above `max_bytes`.

    The applier keeps to that by itself; the kernel besides holds its process to it, and to a bounded memory.
    """
    arguments = ["apply", str(base), str(delta), str(result), str(max_bytes)]
    command = [sys.executable, "-m", "edgewright.contract.delta", *arguments]
    timeout_s = DELTA_START_S + max_bytes / SLOWEST_BYTES_S
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}  # more would reserve address space, and have nothing to do
    process = start_bound(command, file_bytes=max_bytes, memory_bytes=DELTA_MEMORY_BYTES, variables=one_thread)
    try:
        process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise HostileInput(f"the delta was not applied within {timeout_s:.0f} s") from error
    if process.returncode != 0:
        raise HostileInput(f"the delta does not apply (code {process.returncode})")


def timed(patch: Patch, applied: Callable[[int, float], None], monotonic: Callable[[], float]) -> Patch:
    """The same, with `applied` told of every result: its bytes, and the seconds that it took."""

    def apply(base: Path, delta: Path, result: Path, max_bytes: int) -> None:
        began = monotonic()
        patch(base, delta, result, max_bytes)
        applied(result.stat().st_size, monotonic() - began)

    return apply
