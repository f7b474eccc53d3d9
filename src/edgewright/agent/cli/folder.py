"""The agent's folder: which one a verb is about, and the lock that keeps a second agent out of it."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edgewright.contract.errors import Conflict, UsageError

VARIABLE = "EDGEWRIGHT_AGENT_DIR"
USUAL = "/var/lib/edgewright"
LOCK = "lock"


class FolderInUse(Conflict):
    """Another agent works on this folder."""

    code = "folder_in_use"
    hint = "Stop the other agent, or give this one a folder of its own."


def add_dir(parser: argparse.ArgumentParser, what: str = "the agent's folder") -> None:
    """Let a verb take --dir."""
    usual = Path(os.environ.get(VARIABLE) or USUAL)
    parser.add_argument("--dir", type=Path, default=usual, help=f"{what} ({usual})".replace("%", "%%"))


def existing(chosen: argparse.Namespace) -> Path:
    """The folder that a verb is about, where it needs one that is there; raises UsageError."""
    root: Path = chosen.dir.absolute()
    if not root.is_dir():
        hint = f"Name the agent's folder with --dir, or in {VARIABLE}."
        raise UsageError(f"there is no folder {root}", field="dir", hint=hint)
    return root


@contextlib.contextmanager
def working_in(root: Path) -> Iterator[None]:
    """Make the folder and keep other agents out of it; raises FolderInUse, UsageError."""
    from edgewright.agent.disk import durable

    try:
        durable.make_folder(root)
        lock = _lock(root)
    except OSError as error:
        raise UsageError(f"the folder {root} cannot be used: {error}", field="dir") from error
    try:
        yield
    finally:
        os.close(lock)


def _lock(root: Path) -> int:
    fd = _open_lock(root / LOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise FolderInUse(f"another agent runs on {root}", field="dir") from error
    return fd


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES) or not path.exists():
            raise
        return os.open(path, os.O_RDONLY)  # what is here can still serve
