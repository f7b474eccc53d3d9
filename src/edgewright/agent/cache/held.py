"""The blobs that an agent holds in its slots, for its neighbours: by digest, and read as they lie there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edgewright.agent.disk import SLOTS, ModelFolder
from edgewright.agent.link import Throttle
from edgewright.contract.errors import EdgewrightError, NotFound, Unreachable

CHUNK_BYTES = 64 * 1024
LOOK_AGAIN_S = 5.0


class HeldBlobs:
    """Safe to use from many threads. Who gets a blob hashes it: nothing here is checked but its length."""

    def __init__(self, root: Path, throttle: Throttle) -> None:
        self._models = root / "models"
        self._throttle = throttle
        self._lock = threading.Lock()
        self._found: dict[str, tuple[Path, int]] = {}
        self._looked_at = -LOOK_AGAIN_S

    def find(self, sha256: str) -> int:
        """The length of a blob that is held; raises NotFound."""
        return self._look_up(sha256)[1]

    def read(self, sha256: str, start: int, length: int) -> Iterator[bytes]:
        """So many bytes of it, at the rate that is allowed; raises NotFound, Unreachable."""
        try:
            file = self._look_up(sha256)[0].open("rb", buffering=0)
        except OSError as error:
            raise Unreachable("the blob has just gone") from error
        with file:
            file.seek(start)
            while length > 0:
                chunk = file.read(min(CHUNK_BYTES, length))
                if not chunk:
                    raise Unreachable("the file is shorter than its manifest says")
                with self._lock:  # one rate for all
                    self._throttle.take(len(chunk))
                length -= len(chunk)
                yield chunk

    def _look_up(self, sha256: str) -> tuple[Path, int]:
        with self._lock:
            found = self._found.get(sha256)
            if (found is None or not found[0].exists()) and time.monotonic() - self._looked_at >= LOOK_AGAIN_S:
                self._found, self._looked_at = self._look(), time.monotonic()
                found = self._found.get(sha256)
        if found is None:
            raise NotFound("this device holds no such blob", field="sha256")
        return found

    def _look(self) -> dict[str, tuple[Path, int]]:
        """What the manifests in the slots name, and is there."""
        found: dict[str, tuple[Path, int]] = {}
        names = os.listdir(self._models) if self._models.is_dir() else []
        for folder in (ModelFolder(self._models / name, name) for name in names):
            for slot in SLOTS:
                try:
                    manifest = folder.manifest(slot)
                except (EdgewrightError, OSError):
                    continue
                for file in manifest.files if manifest else ():
                    path = folder.slot(slot) / file.name
                    if path.is_file() and path.stat().st_size == file.size_bytes:
                        found[file.sha256] = (path, file.size_bytes)
        return found
