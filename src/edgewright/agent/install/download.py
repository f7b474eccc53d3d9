"""Blobs to the disk: each resumed where it broke off, hashed while it streams, and named once it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgewright.agent.disk import durable
from edgewright.contract.errors import HostileInput, Unreachable

PART = ".part"
SYNC_BYTES = 4 * 1024 * 1024
PROGRESS_BYTES = 16 * 1024
MAX_SPOILT = 8
MAX_SPOILT_BYTES = 64 * 1024 * 1024
MIN_SPOILT = 3


class NotHere(Unreachable):
    """This source has no such blob, and another may: the install waits for one that does."""

    code = "not_here"
    hint = "The install goes on where the blob is: over the network, or with a whole bundle."


class Spoilt(Unreachable):
    """The line has brought other bytes than were asked for: they are thrown away and asked for again."""

    code = "spoilt"
    hint = "If this happens again and again, something on the way changes bytes, or the hub's disk has gone bad."


class Source(Protocol):
    """Where blobs come from: the hub, a neighbour, a stick."""

    def body(self, sha256: str, offset: int) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes from `offset` on, in chunks. Raises Unreachable, NotHere, NotFound, NotAllowed."""
        ...

    def disown(self, sha256: str) -> bool:
        """Hear that what came is not the blob; whether the next request goes to somebody else."""
        ...


@dataclass
class _Part:
    """A blob that has not arrived whole. Bytes up to `resumed_at` were found on the disk when this process began."""

    path: Path
    length: int = 0
    resumed_at: int = 0
    hashed: hashlib._Hash = field(default_factory=hashlib.sha256)


class Downloads:
    """Brings blobs into `folder` under their digests.

    A part is synced every SYNC_BYTES and whenever it is left, so that a cut of the power costs no more than that. A
    whole blob is not: `durable.sync_files` before anything relies on its being there.
    """

    def __init__(self, folder: Path, source: Source, is_pausing: Callable[[], bool]) -> None:
        self._folder = folder
        self._source = source
        self._is_pausing = is_pausing
        self._parts: dict[str, _Part] = {}
        self._spoilt: dict[str, int] = {}
        self._received_bytes = 0

    def bring(self, sha256: str, size_bytes: int) -> Path | None:
        """The path of the blob, once it is whole and has been found to be what it is called; None if it is not yet.

        Call again after None and after Unreachable: what has arrived is kept. Bytes that are not those that were
        named, or more than `size_bytes`, are Spoilt: MAX_SPOILT times, or, after MIN_SPOILT, until MAX_SPOILT_BYTES
        were thrown away; and HostileInput then. Raises besides what the source raises.
        """
        part = self._parts.get(sha256) or self._pick_up(sha256, size_bytes)
        self._parts[sha256] = part
        if not self._append(sha256, size_bytes, part):
            return None
        del self._parts[sha256]
        if part.hashed.hexdigest() != sha256:
            self._cut_back(sha256, part)
            return None
        whole = self._folder / sha256
        os.rename(part.path, whole)
        return whole

    def part(self, sha256: str) -> Path:
        """Where the bytes of a blob lie as they come."""
        return self._folder / (sha256 + PART)

    def take_received(self) -> int:
        """How many bytes have crossed the link since the last call."""
        received, self._received_bytes = self._received_bytes, 0
        return received

    def forget(self) -> None:
        """Know of no part any more: the folder has been emptied."""
        self._parts.clear()
        self._spoilt.clear()

    def _pick_up(self, sha256: str, size_bytes: int) -> _Part:
        """What a former process has left of the blob, or nothing."""
        durable.make_folder(self._folder)
        part = _Part(self.part(sha256))
        with contextlib.suppress(FileNotFoundError):
            if part.path.stat().st_size <= size_bytes:
                return _hash_again(part)
            durable.remove(part.path)
        return part

    def _append(self, sha256: str, size_bytes: int, part: _Part) -> bool:
        """Append what is missing; False if paused, or if somebody else than the hub gave no such answer."""
        fd = os.open(part.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            return part.length == size_bytes or self._receive(sha256, size_bytes, part, fd)
        except HostileInput as error:
            self._parts.pop(sha256)
            durable.remove(part.path)
            if not self._source.disown(sha256):
                self._count_spoilt(sha256, size_bytes, error)
            return False
        finally:
            if part.length < size_bytes:
                os.fsync(fd)
            os.close(fd)

    def _receive(self, sha256: str, size_bytes: int, part: _Part, fd: int) -> bool:
        began_at = part.length
        try:
            if not self._read_on(sha256, size_bytes, part, fd):
                return False
        except Unreachable:
            if part.length - began_at < PROGRESS_BYTES:
                raise
            return False  # a line that breaks again and again, and brings something each time, is no reason to wait
        if part.length < size_bytes and not self._source.disown(sha256):
            raise Unreachable(f"the hub broke off after {part.length} of {size_bytes} bytes")
        return part.length == size_bytes

    def _read_on(self, sha256: str, size_bytes: int, part: _Part, fd: int) -> bool:
        """Keep what one answer brings; False if paused."""
        with self._source.body(sha256, part.length) as chunks:
            for chunk in chunks:
                if part.length + len(chunk) > size_bytes:
                    raise HostileInput(f"the blob {sha256[:12]} is longer than {size_bytes} bytes", field="size_bytes")
                self._keep(part, fd, chunk)
                if part.length < size_bytes and self._is_pausing():
                    return False
        return True

    def _keep(self, part: _Part, fd: int, chunk: bytes) -> None:
        durable.write_all(fd, chunk)
        part.hashed.update(chunk)
        is_sync_due = part.length // SYNC_BYTES != (part.length + len(chunk)) // SYNC_BYTES
        part.length += len(chunk)
        self._received_bytes += len(chunk)
        if is_sync_due:
            os.fsync(fd)

    def _cut_back(self, sha256: str, part: _Part) -> None:
        """The whole is not what it is called: blame a torn end of what was picked up, then the sender.

        What was synced before the process that wrote it ended is whole up to the last multiple of SYNC_BYTES.
        """
        sound = part.resumed_at // SYNC_BYTES * SYNC_BYTES
        if 0 < sound < part.resumed_at:
            os.truncate(part.path, sound)
            return
        durable.remove(part.path)
        if part.resumed_at > 0 or self._source.disown(sha256):
            return
        error = HostileInput(f"the blob {sha256[:12]} has other bytes than its digest says", field="sha256")
        self._count_spoilt(sha256, part.length, error)

    def _count_spoilt(self, sha256: str, size_bytes: int, error: HostileInput) -> None:
        """A bad line spoils a blob now and then: it is begun again, at once and later. Every time would be a lie."""
        times = self._spoilt[sha256] = self._spoilt.get(sha256, 0) + 1
        if times > MAX_SPOILT or (times > MIN_SPOILT and times * size_bytes > MAX_SPOILT_BYTES):
            del self._spoilt[sha256]
            raise error
        if times > 1:
            raise Spoilt(error.message, field=error.field) from error


def _hash_again(part: _Part) -> _Part:
    with part.path.open("rb") as file:
        while chunk := file.read(durable.CHUNK_BYTES):
            part.hashed.update(chunk)
        part.length = part.resumed_at = file.tell()
    return part
