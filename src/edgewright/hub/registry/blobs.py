"""Blobs: files named by their SHA-256, written once, in a folder; `serving` says how they reach who asks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.wire import MAX_BLOB_BYTES

CHUNK_BYTES = 1 << 20
HEX = frozenset("0123456789abcdef")


class UnknownBlob(NotFound):
    code = "unknown_blob"
    hint = "Upload it first: PUT /api/v1/blobs/{sha256}."


class Blobs:
    """Content-addressed files under `root`. What is stored under a digest has been checked against it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def sweep(self, before: float = float("inf")) -> None:
        """Delete what a crash left of uploads: all that was written to last before that time (seconds since 1970)."""
        for draft in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if draft.stat().st_mtime < before:
                    draft.unlink()

    def exists(self, sha256: str) -> bool:
        """Whether these bytes are here."""
        return self._place(sha256).exists()

    def path(self, sha256: str) -> Path:
        """Where the blob lies, for reading; raises UnknownBlob."""
        place = self._place(sha256)
        if not place.exists():
            raise UnknownBlob(f"there is no blob {sha256}", field="sha256")
        return place

    def paths(self, digests: Mapping[str, str]) -> dict[str, str]:
        """Where blobs lie, absolute, by the names that `digests` gives them; raises UnknownBlob."""
        return {name: str(self.path(sha256).resolve()) for name, sha256 in digests.items()}

    def size(self, sha256: str) -> int:
        """Its length in bytes; raises UnknownBlob."""
        return self.path(sha256).stat().st_size

    def put_bytes(self, data: bytes) -> str:
        """Store `data` and return its digest."""
        return self.put_stream([data])

    def put_file(self, path: Path) -> tuple[str, int]:
        """Store a copy of the file and return its digest and length."""
        with path.open("rb") as file:
            digest = self.put_stream(iter(lambda: file.read(CHUNK_BYTES), b""))
        return digest, self.size(digest)

    def put_stream(self, chunks: Iterable[bytes]) -> str:
        """Store what `chunks` yields and return its digest; raises InvalidInput if it is too long."""
        with self.draft() as draft:
            for chunk in chunks:
                draft.write(chunk)
            return draft.keep()

    def delete(self, sha256: str) -> None:
        """Let a blob go that nothing refers to any more; without effect where there is none."""
        self._place(sha256).unlink(missing_ok=True)

    @contextlib.contextmanager
    def draft(self) -> Iterator[BlobDraft]:
        """A blob that grows piece by piece; unless it is kept, nothing of it stays."""
        with tempfile.NamedTemporaryFile(dir=self._incoming) as file:
            yield BlobDraft(file, self._keep)

    def _keep(self, draft: Path, digest: str) -> None:
        place = self._place(digest)
        place.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.link(draft, place)

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= HEX:
            raise InvalidInput(f"'{sha256[:80]}' is no SHA-256 (64 lower-case hexadecimal digits)", field="sha256")
        return self._root / sha256[:2] / sha256


class BlobDraft:
    """The bytes of a blob as they arrive; they are hashed and counted on the way."""

    def __init__(self, file: IO[bytes], keep: Callable[[Path, str], None]) -> None:
        self._file = file
        self._keep = keep
        self._hasher = hashlib.sha256()
        self._length = 0

    def write(self, chunk: bytes) -> None:
        """Append `chunk`; raises InvalidInput where the blob becomes too long."""
        self._length += len(chunk)
        if self._length > MAX_BLOB_BYTES:
            raise InvalidInput(f"a blob has at most {MAX_BLOB_BYTES} bytes", field="body")
        self._hasher.update(chunk)
        self._file.write(chunk)

    def keep(self, expected_sha256: str = "") -> str:
        """Store the whole and return its digest; raises InvalidInput if that is not the one announced."""
        digest = self._hasher.hexdigest()
        if expected_sha256 not in ("", digest):
            raise InvalidInput(f"the body's SHA-256 is {digest}, not {expected_sha256}", field="sha256")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._keep(Path(self._file.name), digest)
        return digest
