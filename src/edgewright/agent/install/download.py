"""One blob from the hub to the disk: resumed where it broke off, hashed while it streams, named when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from edgewright.agent.disk import durable
from edgewright.contract.errors import HostileInput, Unreachable

PART = ".part"


class Source(Protocol):
    """Where blobs come from: the hub, or a neighbour."""

    def body(self, sha256: str, offset: int) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes from `offset` on, in chunks. Raises Unreachable, NotFound, NotAllowed."""
        ...


def download(source: Source, sha256: str, size_bytes: int, folder: Path, is_pausing: Callable[[], bool]) -> Path | None:
    """Bring a blob into `folder` under its digest and return its path; None if paused first (call again).

    Raises HostileInput if the bytes are not those that were named, and what `source` raises; what has arrived
    before an Unreachable is kept and resumed from.
    """
    whole, part = folder / sha256, folder / (sha256 + PART)
    if whole.exists():
        return whole
    durable.make_folder(folder)
    offset, hashed = _resume(part, size_bytes)
    received = _append(source, sha256, size_bytes, part, (offset, hashed), is_pausing)
    if received is None:
        return None
    if hashed.hexdigest() == sha256:
        os.rename(part, whole)
        durable.sync_folder(folder)
        return whole
    durable.remove(part)
    if offset:  # what lay here may have been torn by a cut of the power: once more, from the start
        return None
    raise HostileInput(f"the blob {sha256[:12]} has other bytes than its digest says", field="sha256")


def _resume(part: Path, size_bytes: int) -> tuple[int, hashlib._Hash]:
    hashed = hashlib.sha256()
    with contextlib.suppress(FileNotFoundError):
        if part.stat().st_size <= size_bytes:
            with part.open("rb") as file:
                while chunk := file.read(durable.CHUNK_BYTES):
                    hashed.update(chunk)
                return file.tell(), hashed
        durable.remove(part)
    return 0, hashed


def _append(
    source: Source,
    sha256: str,
    size_bytes: int,
    part: Path,
    start: tuple[int, hashlib._Hash],
    is_pausing: Callable[[], bool],
) -> int | None:
    """Append what is missing and sync it; None if paused."""
    length, hashed = start
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if length < size_bytes:
            with source.body(sha256, length) as chunks:
                for chunk in chunks:
                    length += len(chunk)
                    if length > size_bytes:
                        durable.remove(part)
                        raise HostileInput(
                            f"the blob {sha256[:12]} is longer than {size_bytes} bytes", field="size_bytes"
                        )
                    durable.write_all(fd, chunk)
                    hashed.update(chunk)
                    if length < size_bytes and is_pausing():
                        return None
        if length < size_bytes:
            raise Unreachable(f"the hub broke off after {length} of {size_bytes} bytes")
        os.fsync(fd)
        return length
    finally:
        os.close(fd)
