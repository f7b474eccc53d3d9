"""Bundles: asked of the hub, and written to a folder that is carried to devices."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from edgewright.client.transport import OnUpload, Transport, Upload
from edgewright.contract.api import CarryBlob, CarryDraft, CarryRecord
from edgewright.contract.bundle import BLOBS, ORDERS, PART_BYTES, TUF, find_parts, part_names
from edgewright.contract.errors import HostileInput, InvalidInput

ASIDE = ".new"


class Bundles:
    """Releases for devices that no network reaches."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def export(self, draft: CarryDraft, *, dry_run: bool = False) -> CarryRecord:
        """Have the hub sign orders, and say which blobs belong to them. A dry run signs nothing."""
        return self._hub.post("bundles", body=draft, into=CarryRecord, dry_run=dry_run)

    def write(self, record: CarryRecord, folder: Path, on_progress: OnUpload | None = None) -> None:
        """Write a bundle into `folder`: blobs first, orders last. Blobs that lie there whole are not fetched again.

        Raises InvalidInput where the folder cannot be written, HostileInput for bytes of another digest.
        """
        try:
            for name in (BLOBS, TUF, ORDERS):
                (folder / name).mkdir(parents=True, exist_ok=True)
            done_bytes = 0
            for blob in record.blobs:
                for chunk in self._write_blob(folder, blob):
                    done_bytes += len(chunk)
                    if on_progress is not None:
                        on_progress(Upload(path=blob.sha256[:12], sent_bytes=done_bytes, total_bytes=record.size_bytes))
            for place, files in ((TUF, record.metadata), (ORDERS, record.orders)):
                for name, data in files.items():
                    _write(folder / place / _plain(name), iter([data]))
        except OSError as error:
            raise InvalidInput(f"cannot write {folder}: {error.strerror or error}", field="out") from error

    def _write_blob(self, folder: Path, blob: CarryBlob) -> Iterator[bytes]:
        if _lies_whole(folder, blob):
            return
        hashed = hashlib.sha256()
        names = part_names(blob.sha256, blob.size_bytes)
        with self._hub.open_blob(blob.sha256) as chunks:
            pieces = _cut(chunks, PART_BYTES)
            for name in names:
                aside = folder / BLOBS / (name + ASIDE)
                with aside.open("wb") as file:
                    for chunk in next(pieces):
                        file.write(chunk)
                        hashed.update(chunk)
                        yield chunk
                    _sync(file.fileno())
        if hashed.hexdigest() != blob.sha256:
            for name in names:
                (folder / BLOBS / (name + ASIDE)).unlink()
            raise HostileInput(f"the hub sent bytes that are not those of blob {blob.sha256}", field="sha256")
        for name in names:
            (folder / BLOBS / (name + ASIDE)).rename(folder / BLOBS / name)


def _lies_whole(folder: Path, blob: CarryBlob) -> bool:
    parts = find_parts(folder, blob.sha256)
    if sum(part.stat().st_size for part in parts) != blob.size_bytes:
        return False
    hashed = hashlib.sha256()
    for part in parts:
        with part.open("rb") as file:
            while chunk := file.read(1 << 20):
                hashed.update(chunk)
    return bool(parts) and hashed.hexdigest() == blob.sha256


def _cut(chunks: Iterator[bytes], part_bytes: int) -> Iterator[Iterator[bytes]]:
    """The same bytes, as one iterator after the other of `part_bytes` each; each is used up before the next."""
    left = b""

    def part() -> Iterator[bytes]:
        nonlocal left
        room = part_bytes
        while room and (chunk := left or next(chunks, b"")):
            passed, left = chunk[:room], chunk[room:]
            room -= len(passed)
            yield passed

    while True:
        yield part()


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    aside = path.with_name(path.name + ASIDE)
    with aside.open("wb") as file:
        file.writelines(chunks)
        _sync(file.fileno())
    aside.rename(path)


def _sync(fd: int) -> None:
    """A stick is pulled out soon."""
    os.fsync(fd)


def _plain(name: str) -> str:
    if "/" in name or name.startswith("."):
        raise HostileInput(f"the hub names a file '{name[:80]}'", field="metadata")
    return name
