"""Bytes that are read where they lie, a piece at a time: a file of any size costs no more memory than a small one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol

_PIECE_BYTES = 1 << 18


class Source(Protocol):
    """A file, or bytes in memory; `size_bytes` is what it had when it was opened."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""

    def read(self, start: int, size_bytes: int) -> memoryview:
        """Exactly these bytes; the caller has checked that they exist, and asks for no more than it can hold."""


class MemorySource:
    """Bytes that are there already."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read(self, start: int, size_bytes: int) -> memoryview:
        """See Source; nothing is copied."""
        return self._data[start : start + size_bytes]


class FileSource:
    """An open file. It is read, not mapped: the pages of a mapping would count, and stay."""

    def __init__(self, file: int) -> None:
        self._file = file
        self.size_bytes = os.fstat(file).st_size

    def read(self, start: int, size_bytes: int) -> memoryview:
        """See Source. Raises OSError if the file has become shorter."""
        data = os.pread(self._file, size_bytes, start)
        while len(data) < size_bytes:
            more = os.pread(self._file, size_bytes - len(data), start + len(data))
            if not more:
                raise OSError(f"the file ends {size_bytes - len(data)} bytes before the size that it had")
            data += more
        return memoryview(data)


@contextmanager
def opened(path: Path) -> Iterator[FileSource]:
    """The file at `path`, for as long as the context lasts."""
    with path.open("rb", buffering=0) as file:
        yield FileSource(file.fileno())


def pieces(source: Source, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
    """The bytes from `start` to `stop`, in order and in small pieces."""
    end = source.size_bytes if stop is None else stop
    for position in range(start, end, _PIECE_BYTES):
        yield source.read(position, min(_PIECE_BYTES, end - position))


def sha256_of(source: Source) -> bytes:
    """The digest of all of it."""
    digest = sha256()
    for piece in pieces(source):
        digest.update(piece)
    return digest.digest()
