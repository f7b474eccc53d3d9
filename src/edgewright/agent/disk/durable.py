"""Files that survive a cut of the power: written aside, synced, renamed, and their folder synced.

Everything goes through the calls of `os`, one by one, so that a test can cut the power between any two of them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
ASIDE = ".new"
NO_SUCH_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
BAD_DISK = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO, errno.EILSEQ})
READ_TRIES = 4  # a disk that fails once may give the file the next time, and what is at stake is a model that works
SYNC_THREADS = 16
MIN_FILES_SIDE_BY_SIDE = 32


def make_folder(path: Path) -> None:
    """Make a folder and those above it; durable when it returns."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)
    sync_folder(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Give `path` the content `data`: a reader, and a power cut, see the old content or the new."""
    aside = path.with_name(path.name + ASIDE)
    write(aside, [data], mode)
    os.rename(aside, path)
    sync_folder(path.parent)


def write(path: Path, chunks: Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file anew and sync its content (not its name: see `sync_folder`)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        for chunk in chunks:
            write_all(fd, chunk)
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; raises OSError where the disk is full."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view)
        if written <= 0:
            raise OSError(errno.ENOSPC, "the disk is full")
        view = view[written:]


def put(source: Path, path: Path) -> None:
    """Let `path` have the content of `source` as well, as a second name for it where the file system can."""
    try:
        os.link(source, path)
    except FileExistsError:
        os.unlink(path)
        put(source, path)
    except OSError:
        copy(source, path)
        sync_file(path)


def copy(source: Path, path: Path) -> str:
    """Copy a file and return the SHA-256 of what was copied (not synced: see `sync_files`)."""
    sha256 = hashlib.sha256()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        with source.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                write_all(fd, chunk)
                sha256.update(chunk)
    finally:
        os.close(fd)
    return sha256.hexdigest()


def remove(path: Path) -> None:
    """Remove a file if it is there (not yet durable: see `sync_folder`)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_file(path: Path) -> None:
    """Make the content of a file durable that another process has written."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_files(paths: Sequence[Path]) -> None:
    """Make the content of many files durable: side by side, so that they share the disk's commits."""
    if len(paths) < MIN_FILES_SIDE_BY_SIDE:
        for path in paths:
            sync_file(path)
        return
    with ThreadPoolExecutor(SYNC_THREADS) as threads:
        for _ in threads.map(sync_file, paths):
            pass


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path) -> bytes | None:
    """The bytes of a file; None where it is missing, or the disk does not give it, asked again and again.

    Raises OSError where the file is not to blame: this process has no descriptor left, or may not read it.
    """
    return _insisting(path.read_bytes)


def digest(path: Path) -> str:
    """The SHA-256 of a file as the disk has it, not as the page cache remembers it; '' where `read` gives None."""
    return _insisting(lambda: _digest(path)) or ""


def _digest(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        sha256 = hashlib.sha256()
        while chunk := os.read(fd, CHUNK_BYTES):
            sha256.update(chunk)
        return sha256.hexdigest()
    finally:
        os.close(fd)


def _insisting(read: Callable[[], T]) -> T | None:
    for _ in range(READ_TRIES):
        try:
            return read()
        except OSError as error:
            if error.errno in NO_SUCH_FILE:
                return None
            if error.errno not in BAD_DISK:
                raise
    return None


class FileStore:
    """Whole files by plain name in one folder; `write` is durable when it returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """The bytes last written, or None."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole."""
        make_folder(self._folder)
        replace(self._folder / name, data)
