"""The files of the spool: `<writer>.<number>-<nonce>.log`, locked by whoever writes it, never written again after.

No name comes twice, so that what a condensed segment says of others is never taken for a later one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

SUFFIX = ".log"
MAX_SEGMENTS = 8192
SAMPLES = ".samples"
"""Ends the name under which a writer keeps samples: they have segments of their own, which give way whole."""


def paths(folder: Path) -> list[Path]:
    """All segments, by name; none where there is no folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        return []


def total_bytes(folder: Path, max_bytes: int = 0) -> int:
    """What all segments hold together; of a spool bound to `max_bytes`, each as `counted_bytes` says."""
    total = 0
    if not folder.is_dir():
        return total
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += counted_bytes(entry.stat().st_size, max_bytes) if entry.name.endswith(SUFFIX) else 0
    return total


def counted_bytes(size_bytes: int, max_bytes: int) -> int:
    """What a segment counts as: a file takes its block of the disk and its place in memory however little it holds."""
    return max(size_bytes, max_bytes // MAX_SEGMENTS)


def create(folder: Path, writer: str) -> int:
    """Make and lock the next segment of a writer; its descriptor appends."""
    while True:
        try:
            fd = os.open(next_path(folder, writer), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError:
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:  # the reader may have taken the empty file for an abandoned one
            return fd
        os.close(fd)


def next_path(folder: Path, writer: str) -> Path:
    """The name of a writer's next segment."""
    number = 1 + max((_number(path) for path in folder.glob(f"{writer}.*{SUFFIX}")), default=0)
    return folder / f"{writer}.{number:08d}-{os.urandom(4).hex()}{SUFFIX}"


def is_of_samples(path: Path) -> bool:
    """Whether a segment holds samples and nothing else."""
    return f"{SAMPLES}." in path.name


def lock_abandoned(path: Path) -> int | None:
    """A locked descriptor of a segment whose writer has gone, or None."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_abandoned(path: Path) -> bool:
    """Whether the segment's writer has gone: it stays as it is from then on."""
    fd = lock_abandoned(path)
    if fd is not None:
        os.close(fd)
    return fd is not None


def _number(path: Path) -> int:
    digits = path.name.removesuffix(SUFFIX).rpartition(".")[2].partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
