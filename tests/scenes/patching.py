"""A delta applied by the agent's own child process, waited for."""

from __future__ import annotations

import select
from pathlib import Path

from edgewright.agent.install import start_patch


def apply_delta(base: Path, delta: Path, result: Path, max_bytes: int) -> None:
    """Raises HostileInput, as the agent would hear it."""
    patching = start_patch(base, delta, result, max_bytes)
    while not patching.is_done():
        select.select(patching.waits_on(), [], [], 1.0)
