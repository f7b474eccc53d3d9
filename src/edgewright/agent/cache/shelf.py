"""The cache's disk: blobs by digest, brought from the hub one after the other, the longest unused thrown out first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from edgewright.agent.disk import durable
from edgewright.agent.install import Downloads, Source
from edgewright.agent.system import logs
from edgewright.contract.errors import EdgewrightError, NotFound, Unreachable

CHUNK_BYTES = 256 * 1024
PATIENCE_S = 60.0
BUSY_S = 5.0
MAX_TRIES = 3


class TooLarge(NotFound):
    """The blob is larger than the whole cache: somebody else is to be asked."""

    code = "too_large"


class Busy(NotFound):
    """Another blob is on its way, and takes long: for this one, somebody else is to be asked."""

    code = "busy"


class Origin(Source, Protocol):
    """Where the cache gets what it lacks."""

    def size_bytes(self, sha256: str) -> int:
        """The length of a blob; raises NotFound, Unreachable, NotAllowed."""
        ...


class Shelf:
    """Safe to use from many threads. One blob is brought at a time; whoever waits for it reads along as it grows."""

    def __init__(self, folder: Path, max_bytes: int, origin: Origin) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._origin = origin
        self._line = threading.Lock()  # held by whoever talks to the origin
        self._news = threading.Condition()
        self._coming: dict[str, int] = {}
        self._sound: set[str] = set()  # what this process has brought, or hashed
        durable.make_folder(folder)
        self._downloads = Downloads(folder, origin, self._tell)

    def find(self, sha256: str) -> int:
        """The length of a blob that is on the shelf, or on its way there from now on.

        Raises Busy, TooLarge, and what the origin raises.
        """
        known = self._known(sha256)
        if known is not None:
            return known
        if not self._line.acquire(timeout=BUSY_S):
            raise Busy("the cache is busy with another blob", field="sha256")
        try:
            known = self._known(sha256)
            if known is not None:
                return known
            size_bytes = self._origin.size_bytes(sha256)
            self._make_room(size_bytes)
            with self._news:
                self._coming[sha256] = size_bytes
        finally:
            self._line.release()
        threading.Thread(target=self._bring, args=(sha256, size_bytes), name="bring", daemon=True).start()
        return size_bytes

    def read(self, sha256: str, start: int, length: int) -> Iterator[bytes]:
        """So many bytes of a blob that `find` has found, as they come. Raises Unreachable where they do not."""
        with self._open(sha256) as file:
            file.seek(start)
            while length:
                is_coming = sha256 in self._coming
                chunk = file.read(min(CHUNK_BYTES, length))
                if chunk:
                    length -= len(chunk)
                    yield chunk
                elif not is_coming or not self._wait():
                    raise Unreachable(f"the blob {sha256[:12]} did not come")

    def _known(self, sha256: str) -> int | None:
        path = self._folder / sha256
        with self._news:
            if sha256 in self._coming:
                return self._coming[sha256]
        if not self._is_sound(sha256, path):
            return None
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return path.stat().st_size
        return None

    def _is_sound(self, sha256: str, path: Path) -> bool:
        """Whether the blob is here whole: what a former process left is hashed before it is passed on."""
        if sha256 not in self._sound and path.exists():
            if durable.digest(path) != sha256:
                durable.remove(path)
                return False
            self._sound.add(sha256)
        return sha256 in self._sound

    def _open(self, sha256: str) -> BinaryIO:
        """The blob, whole or as far as it has come; its file stays open when it is renamed."""
        while True:
            is_coming = sha256 in self._coming
            for path in (self._folder / sha256, self._downloads.part(sha256)):
                with contextlib.suppress(FileNotFoundError):
                    return path.open("rb", buffering=0)
            if not is_coming or not self._wait():
                raise Unreachable(f"the blob {sha256[:12]} did not come")

    def _bring(self, sha256: str, size_bytes: int) -> None:
        try:
            with self._line:
                for _ in range(MAX_TRIES):
                    if (path := self._downloads.bring(sha256, size_bytes)) is not None:
                        durable.sync_file(path)
                        self._sound.add(sha256)
                        break
        except (EdgewrightError, OSError) as error:
            logs.warn("a blob could not be brought to the cache", sha256=sha256, reason=str(error))
        finally:
            with self._news:
                del self._coming[sha256]
                self._news.notify_all()

    def _make_room(self, size_bytes: int) -> None:
        """Throw out what was not asked for the longest, until the new blob fits."""
        if size_bytes > self._max_bytes:
            raise TooLarge(f"a blob of {size_bytes} bytes does not fit into the cache of {self._max_bytes}")
        with os.scandir(self._folder) as entries:
            kept = sorted((entry.stat().st_mtime_ns, entry.stat().st_size, entry.name) for entry in entries)
        total_bytes = sum(size for _, size, _ in kept) + sum(self._coming.values()) + size_bytes
        for _, size, name in kept:
            if total_bytes <= self._max_bytes:
                return
            if name.removesuffix(".part") not in self._coming:
                durable.remove(self._folder / name)
                total_bytes -= size

    def _tell(self) -> bool:
        """Between two chunks of a download: there is more to read, and no reason to pause."""
        with self._news:
            self._news.notify_all()
        return False

    def _wait(self) -> bool:
        with self._news:
            return self._news.wait(PATIENCE_S)
