"""Deltas are applied in a process of their own, as their parser reads foreign bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgewright.agent.system import start_bound
from edgewright.contract.errors import HostileInput

DELTA_TIMEOUT_S = 900


def apply_delta(base: Path, delta: Path, result: Path, max_bytes: int) -> None:
    """Write what `delta` makes of `base` to `result`; raises HostileInput, also above `max_bytes`."""
    arguments = ["apply", str(base), str(delta), str(result), str(max_bytes)]
    process = start_bound([sys.executable, "-m", "edgewright.contract.delta", *arguments])
    try:
        process.communicate(timeout=DELTA_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise HostileInput(f"the delta was not applied within {DELTA_TIMEOUT_S} s") from error
    if process.returncode != 0:
        raise HostileInput(f"the delta does not apply (code {process.returncode})")
