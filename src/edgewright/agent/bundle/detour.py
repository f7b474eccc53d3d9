"""The running agent's source of blobs, which leads over a stick while one is imported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

from edgewright.agent.install import Source


class Detour:
    """Blobs from the usual source, or from another for a while. One thread's."""

    def __init__(self, usual: Source) -> None:
        self._usual = usual
        self._taken: Source | None = None

    @property
    def is_taken(self) -> bool:
        """Whether blobs come from elsewhere now."""
        return self._taken is not None

    @contextlib.contextmanager
    def over(self, other: Source) -> Iterator[None]:
        """Let blobs come from there, within the block."""
        self._taken = other
        try:
            yield
        finally:
            self._taken = None

    def body(self, sha256: str, offset: int) -> AbstractContextManager[Iterator[bytes]]:
        """A blob's bytes, as `Source` promises."""
        return (self._taken or self._usual).body(sha256, offset)

    def disown(self, sha256: str) -> bool:
        """Hear that what came is not the blob."""
        return (self._taken or self._usual).disown(sha256)
