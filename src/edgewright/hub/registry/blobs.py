"""Blobs: files named by their SHA-256, written once, on a folder (obstore; S3 speaks the same interface)."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

import obstore
from obstore.store import LocalStore

from edgewright.contract.errors import InvalidInput, NotFound

MAX_BLOB_BYTES = 8 * 1024**3
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
        self._store = LocalStore(prefix=root, automatic_cleanup=True)

    def exists(self, sha256: str) -> bool:
        """Whether these bytes are here."""
        return self._place(sha256).exists()

    def path(self, sha256: str) -> Path:
        """Where the blob lies, for reading; raises UnknownBlob."""
        place = self._place(sha256)
        if not place.exists():
            raise UnknownBlob(f"there is no blob {sha256}", field="sha256")
        return place

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

    def put_stream(self, chunks: Iterable[bytes], *, expected_sha256: str = "") -> str:
        """Store what `chunks` yields; raises InvalidInput if it is too long or not what was announced."""
        hasher, length = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self._incoming) as draft:
            for chunk in chunks:
                length += len(chunk)
                if length > MAX_BLOB_BYTES:
                    raise InvalidInput(f"a blob has at most {MAX_BLOB_BYTES} bytes", field="body")
                hasher.update(chunk)
                draft.write(chunk)
            draft.flush()
            digest = hasher.hexdigest()
            if expected_sha256 not in ("", digest):
                raise InvalidInput(f"the body's SHA-256 is {digest}, not {expected_sha256}", field="sha256")
            if not self.exists(digest):
                obstore.put(self._store, f"{digest[:2]}/{digest}", Path(draft.name))
        return digest

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= HEX:
            raise InvalidInput(f"'{sha256[:80]}' is no SHA-256 (64 lower-case hexadecimal digits)", field="sha256")
        return self._root / sha256[:2] / sha256
