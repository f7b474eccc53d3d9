"""The one interface of all ways to serve a blob: what is asked, what is answered. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HEADERS = (("cache-control", "private, max-age=31536000, immutable"), ("accept-ranges", "bytes"))


@dataclass(frozen=True)
class Ask:
    """A GET or HEAD for a blob, as far as its headers matter.

    `is_direct` is a device's word that what the hub sent it to lately did not work: the hub shall answer itself.
    """

    range: str = ""
    if_range: str = ""
    if_none_match: str = ""
    is_direct: bool = False


@dataclass(frozen=True)
class BlobAnswer:
    """Status and headers; the body is `length` bytes of `file` from `start` on, or empty where there is no file."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    file: Path | None = None
    start: int = 0
    length: int = 0


class Serving(Protocol):
    """One way to serve blobs."""

    def answer(self, sha256: str, ask: Ask) -> BlobAnswer:
        """What to reply; raises UnknownBlob, InvalidInput. Whether the caller may ask was settled before."""
        ...

    def forget(self, sha256: str) -> None:
        """Delete the copies of a blob that are kept elsewhere than on the hub's disk."""
        ...

    def close(self) -> None:
        """Let go of what works in the background."""
        ...


def etag(sha256: str) -> str:
    """A strong validator: the digest is the content."""
    return f'"{sha256}"'
