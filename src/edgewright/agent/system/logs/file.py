"""The log on the disk: a few files of bounded size, the oldest of which goes when a new one begins.

Nothing that the disk does stops the agent: what cannot be written is counted, and told with the next line that can.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from pathlib import Path

NAME = "agent.log"
FILES = 4


class LogFile:
    """Appends whole lines to DIR/agent.log; FILES files of together at most `max_bytes` are kept."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._file_bytes = max(1, max_bytes // FILES)
        self._fd = -1
        self._size_bytes = 0
        self._missed = 0
        self._lock = threading.Lock()

    def append(self, line: bytes) -> None:
        """Write a line; where the disk does not let us, go on without it."""
        with self._lock:
            try:
                self._write(line[: self._file_bytes - 1] + b"\n")
            except OSError:
                self._missed += 1
                self._close()

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._open()
        if self._size_bytes and self._size_bytes + len(data) > self._file_bytes:
            self._begin_next()
        if self._missed:
            data = b'{"level":"warning","message":"log lines were lost","lines":%d}\n' % self._missed + data
            self._missed = 0
        written = os.write(self._fd, data)
        self._size_bytes += written
        if written < len(data):  # the disk is full: take the torn line back
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size_bytes - written)
            raise OSError("the disk is full")

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._folder / NAME, flags, 0o640)
        self._size_bytes = os.fstat(self._fd).st_size

    def _begin_next(self) -> None:
        self._close()
        older = paths(self._folder)[::-1]
        for path, next_path in itertools.pairwise(older):  # the youngest last
            with contextlib.suppress(FileNotFoundError):
                os.rename(next_path, path)
        self._open()

    def _close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1


def paths(folder: Path) -> list[Path]:
    """The log's files, the youngest first, be they there or not."""
    return [folder / NAME, *(folder / f"{NAME}.{number}" for number in range(1, FILES))]
