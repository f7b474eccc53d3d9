"""The hub's folder: one process at a time works in it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from edgewright.contract.errors import Refused

LOCK = "lock"


class HubRunning(Refused):
    code = "hub_running"
    hint = "Stop that hub first, or name another folder with --dir."


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other hubs out of `folder` for the length of the block, or of this process; raises HubRunning."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HubRunning(f"another hub works in {folder}", field="dir") from error
        yield
