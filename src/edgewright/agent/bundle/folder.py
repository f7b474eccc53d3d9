"""A bundle's folder, read in place: nothing of it is unpacked, and nothing in it is trusted for being there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edgewright.agent.install import NotHere
from edgewright.contract.bundle import ORDERS, TUF, find_parts
from edgewright.contract.envelope import MAX_ENVELOPE_BYTES
from edgewright.contract.errors import HostileInput, NotFound, UsageError

CHUNK_BYTES = 256 * 1024


class NoBundle(UsageError):
    """There is no bundle, or it has nothing for this device."""

    code = "no_bundle"
    hint = "`edgewright bundle export MODEL/COUNTER OUT --device ID` makes a bundle."


class BundleFolder:
    """Orders, metadata and blobs of a bundle; as a source of blobs it knows nobody else to ask."""

    def __init__(self, folder: Path) -> None:
        if not (folder / TUF).is_dir():
            raise NoBundle(f"there is no bundle at {folder}", field="bundle")
        self._folder = folder

    def order(self, device: str) -> bytes | None:
        """The sealed order for a device, or None."""
        try:
            return _read(self._folder / ORDERS / device, MAX_ENVELOPE_BYTES)
        except NotFound:
            return None

    def tuf(self, name: str, max_bytes: int) -> bytes:
        """A metadata file; raises NotFound, and HostileInput for one that is too long."""
        return _read(self._folder / TUF / name, max_bytes)

    def has(self, sha256: str) -> bool:
        """Whether the bundle has a blob of that name."""
        return bool(find_parts(self._folder, sha256))

    def blob(self, sha256: str, max_bytes: int) -> bytes:
        """A small blob, unchecked; raises NotFound, HostileInput."""
        parts = find_parts(self._folder, sha256)
        if len(parts) != 1:
            raise NotFound(f"the bundle has no blob {sha256[:12]}", field="sha256")
        return _read(parts[0], max_bytes)

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on; raises NotHere."""
        parts = find_parts(self._folder, sha256)
        if not parts:
            raise NotHere(f"the bundle has no blob {sha256[:12]}", field="sha256")
        yield _chunks(parts, offset)

    def disown(self, _sha256: str) -> bool:
        """There is no other place."""
        return False


def _chunks(parts: list[Path], offset: int) -> Iterator[bytes]:
    for part in parts:
        with _open(part) as fd:
            size_bytes = os.fstat(fd).st_size
            if offset >= size_bytes:
                offset -= size_bytes
                continue
            os.lseek(fd, offset, os.SEEK_SET)
            offset = 0
            while chunk := os.read(fd, CHUNK_BYTES):
                yield chunk


def _read(path: Path, max_bytes: int) -> bytes:
    with _open(path) as fd:
        if os.fstat(fd).st_size > max_bytes:
            raise HostileInput(f"{path.name} in the bundle is longer than {max_bytes} bytes", field="bundle")
        return os.read(fd, max_bytes)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    """A plain file, and no link, pipe or device that somebody put into its place."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"the bundle has no {path.name}", field="bundle") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotFound(f"{path.name} in the bundle is no plain file", field="bundle")
        yield fd
    finally:
        os.close(fd)
