"""The hub's folder: one process at a time works in it, or all hubs of one PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from edgewright.contract.errors import Refused

LOCK = "lock"
SETTING_UP = "setting-up"


class HubRunning(Refused):
    code = "hub_running"
    hint = "Stop that hub first, or name another folder with --dir."


@contextlib.contextmanager
def hold(folder: Path, *, is_shared: bool = False) -> Iterator[None]:
    """Keep other hubs out of `folder` for the length of the block, or of this process; raises HubRunning.

    Hubs that share a database share the folder too: with `is_shared` only those are kept out that do not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HubRunning(f"another hub works in {folder}", field="dir") from error
        yield


@contextlib.contextmanager
def setting_up(folder: Path) -> Iterator[None]:
    """Wait for other hubs that make what `folder` needs at first, and keep them waiting for the length of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SETTING_UP).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_served(folder: Path) -> bool:
    """Whether a hub has worked in `folder`."""
    return (folder / LOCK).exists() or (folder / "runs.sqlite").exists()
