"""What a serving process does right now, in a small mapped file that outlives it: DIR/run/vitals/.

A process writes without a system call, in a fraction of a microsecond a request, and holds a lock on its file while it
lives. Who finds a file whose lock is free knows what its process was doing when it ended; see `remains`.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import fcntl
import itertools
import mmap
import os
import struct
import time
import weakref
from pathlib import Path
from typing import NamedTuple

FOLDER = Path("run") / "vitals"
FAULT_PREFIX = "fault."
ASIDE_PREFIX = "."

_MAGIC = 0x31_4C_54_49_56_57_45  # 'EWVITL1', little-endian
_HEADER = struct.Struct("<7Q16s16s32s136s")  # words, boot id, token of the process, digest, model
_SIZE_BYTES = 1024
_PHASE, _REQUESTS, _ENDED_NS, _STRAINED = 3, 4, 5, 6  # by number of their word
_FIRST_PLACE = _HEADER.size // 8
_LAST_PLACE = _SIZE_BYTES // 8 - 1  # shared by those who find no place of their own
_LOADING, _READY = 1, 2


class Reading(NamedTuple):
    """One file, read while its process lives or after. Times are of CLOCK_MONOTONIC: when the oldest request that is
    in flight began, and when the latest one ended; 0 for none."""

    model: str
    manifest_sha256: str
    pid: int
    is_worker: bool
    is_loading: bool
    requests: int
    in_flight_since_ns: int
    ended_ns: int
    is_strained: bool  # it was once given more than its self-test has shown that it can take
    boot_id: bytes
    token: str  # of the process: equal in all of its files

    @property
    def is_at_work(self) -> bool:
        """Whether the model's code was running."""
        return self.is_loading or self.in_flight_since_ns > 0


class Vitals:
    """The writer's end, one for each loaded package. Never raises: where no file can be kept, nobody reads it.

    `begin` and `end` may be called by several threads. Of more than 90 requests at once, the age of one is told.
    """

    @classmethod
    def create(cls, folder: Path, model: str, manifest_sha256: str) -> Vitals:
        """For an app: a file of its own in `folder` (DIR/run/vitals), and one for faults. Begins as loading."""
        _faults.watch(folder)
        return cls(folder / f"{model}.{os.getpid()}.{os.urandom(6).hex()}", model, manifest_sha256, is_worker=False)

    @classmethod
    def create_at(cls, path: Path, model: str, manifest_sha256: str) -> Vitals:
        """For a worker: the file that the supervisor has named. Begins as loading."""
        return cls(path, model, manifest_sha256, is_worker=True)

    def __init__(self, path: Path, model: str, manifest_sha256: str, *, is_worker: bool) -> None:
        self._path: Path | None = path
        words = (_MAGIC, os.getpid(), is_worker, _LOADING, 0, 0, False)
        names = (read_boot_id(), _faults.token, bytes.fromhex(manifest_sha256), model.encode())
        self._set_up(_map_file(path, _HEADER.pack(*words, *names)))
        _open.add(self)

    def ready(self) -> None:
        """The package is loaded: from now on it is at work only between `begin` and `end`."""
        self._words[_PHASE] = _READY

    def strain(self) -> None:
        """More is asked of it than its self-test has shown it to take: want of memory is not the model's fault."""
        self._words[_STRAINED] = True

    def begin(self) -> int:
        """A request is given to the model. Pass what comes back to `end`."""
        try:
            place = self._places.pop()
        except IndexError:
            place = _LAST_PLACE
        self._words[place] = time.monotonic_ns()
        return place

    def end(self, place: int) -> None:
        """The model has answered, or given up."""
        self._words[place] = 0
        self._words[_REQUESTS] = next(self._numbers)
        self._words[_ENDED_NS] = time.monotonic_ns()
        if place != _LAST_PLACE:
            self._places.append(place)

    def close(self) -> None:
        """Remove the file. Requests that are still in flight may end afterwards."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._path = None

    def forget(self) -> None:
        """In a forked child: let go of the parent's file and of its lock. (Happens by itself after os.fork.)"""
        self._path = None
        self._words.release()
        self._map.close()
        self._set_up(mmap.mmap(-1, _SIZE_BYTES))

    def _set_up(self, mapped: mmap.mmap) -> None:
        self._map = mapped
        self._words = memoryview(mapped).cast("Q")
        self._places = list(range(_LAST_PLACE - 1, _FIRST_PLACE - 1, -1))
        self._numbers = itertools.count(1)


def read_vitals(path: Path) -> Reading | None:
    """What the file says now; None where there is none, or none that makes sense."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return parse(os.pread(fd, _SIZE_BYTES, 0))
    except OSError:
        return None
    finally:
        os.close(fd)


def parse(data: bytes) -> Reading | None:
    """Read the bytes of a file; None where they are none of ours."""
    if len(data) != _SIZE_BYTES:
        return None
    magic, pid, is_worker, phase, requests, ended_ns, strained, boot_id, token, digest, name = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        return None
    places = memoryview(data).cast("Q")[_FIRST_PLACE:]
    return Reading(
        model=name.rstrip(b"\0").decode(errors="replace"),
        manifest_sha256=digest.hex(),
        pid=pid,
        is_worker=bool(is_worker),
        is_loading=phase == _LOADING,
        requests=requests,
        in_flight_since_ns=min(filter(None, places), default=0),
        ended_ns=ended_ns,
        is_strained=bool(strained),
        boot_id=boot_id,
        token=token.hex(),
    )


def read_boot_id() -> bytes:
    """16 bytes that are others after every start of the machine; zeros where the kernel tells none."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


class _Faults:
    """Python's fault handler, which a process of an app lends a file of ours, where it does not use it itself.

    The handler is the process's, so the first folder that is watched keeps it.
    """

    def __init__(self) -> None:
        self.token = os.urandom(16)
        self._file = -1

    def watch(self, folder: Path) -> None:
        """Let a fault of this process leave its text in `folder`."""
        if self._file >= 0 or faulthandler.is_enabled():
            return
        with contextlib.suppress(OSError):
            self._file = _make(folder / f"{FAULT_PREFIX}{self.token.hex()}")
            faulthandler.enable(self._file, all_threads=False)

    def forget(self) -> None:
        """In a forked child: the file is the parent's."""
        if self._file >= 0:
            faulthandler.disable()
            os.close(self._file)
        self._file = -1
        self.token = os.urandom(16)


def _map_file(path: Path, header: bytes) -> mmap.mmap:
    try:
        fd = _make(path, header)
    except OSError:
        return mmap.mmap(-1, _SIZE_BYTES)
    try:
        return mmap.mmap(fd, _SIZE_BYTES)  # which keeps the lock as long as it lives
    finally:
        os.close(fd)


def _make(path: Path, header: bytes = b"") -> int:
    """Make a file that appears under its name only when it is locked; returns its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(ASIDE_PREFIX + path.name)
    fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND * (not header), 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if header and os.write(fd, header.ljust(_SIZE_BYTES, b"\0")) < _SIZE_BYTES:
            raise OSError(errno.ENOSPC, "the disk is full")  # else a write to the map would end the process
        os.rename(aside, path)
    except OSError:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    return fd


_faults = _Faults()
_open: weakref.WeakSet[Vitals] = weakref.WeakSet()


def _forget_all() -> None:
    _faults.forget()
    for vitals in list(_open):
        vitals.forget()
    _open.clear()


os.register_at_fork(after_in_child=_forget_all)
