"""Appends records durably, each process to segments of its own; samples have segments apart, which give way whole."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import frames, segments
from edgewright.contract.errors import Refused
from edgewright.contract.report import InstallReport, Record, Sample

MAX_SEGMENT_BYTES = 64 * 1024


class SpoolFull(Refused):
    """The spool has reached its bound, or the disk is full; the record was not written."""

    code = "spool_full"
    hint = "The device has been offline for long: it drops new profiles and samples until the hub answers again."


class Writer:
    """Appends records durably. Safe to use from several threads, and from a forked child."""

    def __init__(self, folder: Path, name: str, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._pid = os.getpid()
        segment_bytes = max(1, min(MAX_SEGMENT_BYTES, max_bytes // 8))
        self._records = _Tail(folder, name, segment_bytes)
        self._samples = _Tail(folder, name + segments.SAMPLES, segment_bytes)

    def append(self, record: Record) -> None:
        """Write `record` and return once it is on the disk.

        Raises SpoolFull where the spool has reached its bound; only install reports may go past it.
        """
        frame = frames.encode(record)
        with self._lock:
            self._let_go_after_fork()
            try:
                durable.make_folder(self._folder)
                if not isinstance(record, InstallReport):
                    self._check_room(len(frame))
                (self._samples if isinstance(record, Sample) else self._records).append(frame)
            except OSError as error:
                raise SpoolFull(f"the spool cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the segments; a later `append` starts others."""
        with self._lock:
            self._close()

    def _check_room(self, frame_bytes: int) -> None:
        if segments.total_bytes(self._folder, self._max_bytes) + frame_bytes > self._max_bytes:
            self._close()  # so that they can be deleted when all of them is acknowledged
            raise SpoolFull(f"the spool holds its {self._max_bytes} bytes already", field="max_bytes")

    def _let_go_after_fork(self) -> None:
        if self._pid != os.getpid():  # a forked child: the segments are the parent's
            self._pid = os.getpid()
            self._close()

    def _close(self) -> None:
        self._records.close()
        self._samples.close()


class _Tail:
    """The segment that is being written."""

    def __init__(self, folder: Path, name: str, segment_bytes: int) -> None:
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._fd = -1

    def append(self, frame: bytes) -> None:
        if self._fd < 0:
            self._fd = segments.create(self._folder, self._name)
            durable.sync_folder(self._folder)
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            if os.write(self._fd, frame) != len(frame):
                raise OSError(errno.ENOSPC, "the disk is full")
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, end)
            raise
        if end + len(frame) >= self._segment_bytes:
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
