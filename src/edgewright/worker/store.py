"""Inputs that a worker has fetched before: files by digest, the least used of which go when there are too many."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from edgewright.contract.api import FileRef

CHUNK_BYTES = 1 << 20


class Store:
    """Keeps up to `most_bytes` in `folder`. What is taken out is checked again: disks err."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, file: FileRef, place: Path, fetch: Callable[[FileRef, Path], None]) -> None:
        """Write `file` to `place`, a new file: from here, or by `fetch`, and then it is here."""
        kept = self._folder / file.sha256
        if kept.exists() and _copy(kept, place) == file.sha256:
            os.utime(kept)
            return
        kept.unlink(missing_ok=True)
        place.unlink(missing_ok=True)
        draft = self._folder / f"{file.sha256}.part"
        draft.unlink(missing_ok=True)
        fetch(file, draft)
        _copy(draft, place)
        draft.replace(kept)
        self._make_room()

    def _make_room(self) -> None:
        """Let go of what was used longest ago until the rest fits."""
        found = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        taken_bytes = 0
        for path in found:
            taken_bytes += path.stat().st_size
            if taken_bytes > self._most_bytes:
                path.unlink()


def _copy(source: Path, place: Path) -> str:
    """Copy a file and return its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as read, place.open("wb") as written:
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
    return digest.hexdigest()
