"""The spool: records that wait on disk, through crashes and years offline, until the hub has committed them.

Every writing process appends to segments of its own (`<writer>.<number>.log`) and holds a lock on the one it
writes; the supervisor alone reads, acknowledges and deletes. A record is framed as magic, length and CRC-32, so a
torn tail is ignored and a damaged record costs only itself. What is acknowledged twice was sent twice: the hub
knows records by id.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.contract.report import InstallReport, Record

MAX_RECORD_BYTES = 4 * 1024 * 1024
MAX_SEGMENT_BYTES = 256 * 1024
ACKNOWLEDGED = "acknowledged.bin"
_MAGIC = b"\xe5EW1"
_FRAME = struct.Struct("<4sII")


class SpoolFull(Refused):
    """The spool has reached its bound, or the disk is full; the record was not written."""

    code = "spool_full"
    hint = "The device has been offline for long: it drops new profiles and samples until the hub answers again."


class Entry(NamedTuple):
    """A record that waits, and its size in the spool."""

    record: Record
    size_bytes: int


class Writer:
    """Appends records durably. Safe to use from several threads, and from a forked child."""

    def __init__(self, folder: Path, name: str, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._folder = folder
        self._name = name
        self._max_bytes = max_bytes
        self._segment_bytes = max(1, min(MAX_SEGMENT_BYTES, max_bytes // 8))
        self._lock = threading.Lock()
        self._fd = -1
        self._end = 0
        self._pid = os.getpid()

    def append(self, record: Record) -> None:
        """Write `record` and return once it is on the disk.

        Raises SpoolFull where the spool has reached its bound; only install reports may go past it.
        """
        frame = _frame(msgspec.msgpack.encode(record))
        with self._lock:
            try:
                durable.make_folder(self._folder)
                if not isinstance(record, InstallReport) and _total_bytes(self._folder) + len(frame) > self._max_bytes:
                    self._close_segment()  # so that it can be deleted when all of it is acknowledged
                    raise SpoolFull(f"the spool holds its {self._max_bytes} bytes already", field="max_bytes")
                self._open_segment()
                self._write(frame)
            except OSError as error:
                raise SpoolFull(f"the spool cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the segment; a later `append` starts another."""
        with self._lock:
            self._close_segment()

    def _open_segment(self) -> None:
        if self._pid != os.getpid():  # a forked child: the segment is the parent's
            self._pid = os.getpid()
            self._close_segment()
        if self._fd < 0:
            self._fd, self._end = _create_segment(self._folder, self._name), 0
            durable.sync_folder(self._folder)

    def _write(self, frame: bytes) -> None:
        self._end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            if os.write(self._fd, frame) != len(frame):
                raise OSError(errno.ENOSPC, "the disk is full")
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise
        self._end += len(frame)
        if self._end >= self._segment_bytes:
            self._close_segment()

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._end = -1, 0


class Spool:
    """The supervisor's side: what waits, oldest first, and what need not wait any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        durable.make_folder(folder)
        present = {path.name for path in _segment_paths(folder)}
        self._done = {name: done for name, done in _load_acknowledged(folder).items() if name in present}
        self._segments: dict[str, _Segment] = {}

    def pending(self, limit: int, max_bytes: int) -> list[Entry]:
        """At most `limit` records of together `max_bytes` (but at least one): install reports, then oldest first."""
        self._scan()
        places = [(not place.is_urgent, name, place) for name, s in self._segments.items() for place in s.waiting]
        places.sort(key=lambda item: item[:2])
        entries: list[Entry] = []
        total_bytes = 0
        for _, name, place in places[:limit]:
            total_bytes += place.size_bytes
            if entries and total_bytes > max_bytes:
                break
            if (record := _read_at(self._folder / name, place)) is not None:
                entries.append(Entry(record, place.size_bytes))
        return entries

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget the records of these ids, durably. Unknown ids are of no effect."""
        known = set(ids)
        for name, segment in self._segments.items():
            offsets = {place.offset for place in segment.waiting if place.id in known}
            if offsets:
                self._done.setdefault(name, set()).update(offsets)
                segment.waiting = [place for place in segment.waiting if place.offset not in offsets]
        finished = self._release_finished()
        _save_acknowledged(self._folder, self._done)
        for fd, path in finished:  # only now: a crash in between sends again what the hub already knows
            path.unlink(missing_ok=True)
            os.close(fd)

    def backlog(self) -> int:
        """How many records wait."""
        self._scan()
        return sum(len(segment.waiting) for segment in self._segments.values())

    def _scan(self) -> None:
        paths = _segment_paths(self._folder)
        self._segments = {path.name: self._segments.get(path.name, _Segment()) for path in paths}
        for path in paths:
            self._segments[path.name].read_on(path, self._done.get(path.name, set()))

    def _release_finished(self) -> list[tuple[int, Path]]:
        """Forget segments that hold nothing more and whose writer has gone; each comes locked, to be deleted."""
        finished = []
        for name in [name for name, segment in self._segments.items() if not segment.waiting]:
            path = self._folder / name
            if (fd := _lock_abandoned(path)) is None:
                continue
            self._segments[name].read_on(path, self._done.get(name, set()))
            if self._segments[name].waiting:  # written in the last moment
                os.close(fd)
                continue
            del self._segments[name]
            self._done.pop(name, None)
            finished.append((fd, path))
        return finished


class _Place(NamedTuple):
    """Where a record lies in its segment."""

    offset: int
    size_bytes: int
    id: str
    is_urgent: bool


class _Segment:
    """One segment as far as it was read."""

    def __init__(self) -> None:
        self.waiting: list[_Place] = []
        self._end = 0

    def read_on(self, path: Path, done: set[int]) -> None:
        """Index what was appended since the last time."""
        try:
            with path.open("rb") as file:
                file.seek(self._end)
                data = file.read()
        except FileNotFoundError:
            return
        start = self._end
        for offset, size_bytes, record in _frames(data):
            self._end = start + offset + size_bytes
            if start + offset not in done:
                is_urgent = isinstance(record, InstallReport)
                self.waiting.append(_Place(start + offset, size_bytes, record.id, is_urgent))


def _frame(payload: bytes) -> bytes:
    if len(payload) > MAX_RECORD_BYTES:
        raise InvalidInput(f"a record has at most {MAX_RECORD_BYTES} bytes, this one has {len(payload)}")
    return _FRAME.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def _frames(data: bytes) -> Iterator[tuple[int, int, Record]]:
    """Every sound record in `data` as (offset, framed size, record); damage is skipped up to the next magic."""
    at = data.find(_MAGIC)
    while at >= 0:
        record, size_bytes = _parse(data, at)
        if record is not None:
            yield at, size_bytes, record
        at = data.find(_MAGIC, at + (size_bytes if record is not None else 1))


def _parse(data: bytes, at: int) -> tuple[Record | None, int]:
    if len(data) - at < _FRAME.size:
        return None, 0
    _, length, checksum = _FRAME.unpack_from(data, at)
    payload = data[at + _FRAME.size : at + _FRAME.size + length]
    if length > MAX_RECORD_BYTES or len(payload) < length or zlib.crc32(payload) != checksum:
        return None, 0
    try:
        return msgspec.msgpack.decode(payload, type=Record), _FRAME.size + length
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, 0


def _read_at(path: Path, place: _Place) -> Record | None:
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            return _parse(file.read(place.size_bytes), 0)[0]
    except FileNotFoundError:
        return None


def _segment_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".log")


def _total_bytes(folder: Path) -> int:
    total_bytes = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total_bytes += entry.stat().st_size if entry.name.endswith(".log") else 0
    return total_bytes


def _create_segment(folder: Path, name: str) -> int:
    """Make and lock the writer's next segment."""
    number = max((_number(path) for path in folder.glob(f"{name}.*.log")), default=0)
    while True:
        number += 1
        try:
            fd = os.open(folder / f"{name}.{number:08d}.log", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError:
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:  # the reader may have taken the empty file for an abandoned one
            return fd
        os.close(fd)


def _number(path: Path) -> int:
    digits = path.name.removesuffix(".log").rpartition(".")[2]
    return int(digits) if digits.isdecimal() else 0


def _lock_abandoned(path: Path) -> int | None:
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


def _load_acknowledged(folder: Path) -> dict[str, set[int]]:
    """What was acknowledged; nothing where the file is missing or damaged, as sending again does no harm."""
    try:
        data = (folder / ACKNOWLEDGED).read_bytes()
        _, length, checksum = _FRAME.unpack_from(data)
        payload = data[_FRAME.size : _FRAME.size + length]
        if zlib.crc32(payload) != checksum:
            return {}
        return msgspec.msgpack.decode(payload, type=dict[str, set[int]])
    except (OSError, struct.error, msgspec.MsgspecError):
        return {}


def _save_acknowledged(folder: Path, done: dict[str, set[int]]) -> None:
    durable.replace(folder / ACKNOWLEDGED, _frame(msgspec.msgpack.encode(done)))
