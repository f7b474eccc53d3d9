"""The result as it is written: counted, digested, and never past the declared size."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np

from edgewright.contract.delta.coding.elements import Array
from edgewright.contract.delta.reader import require


class Result:
    """What is left to write of `size_bytes`, and the digest of what has been written."""

    def __init__(self, size_bytes: int, write: Callable[[bytes | memoryview], object]) -> None:
        self.left_bytes = size_bytes
        self._write = write
        self._sha256 = sha256()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; HostileInput if there is no room for them."""
        require(len(data) <= self.left_bytes, "the result passes its declared size")
        self.left_bytes -= len(data)
        self._sha256.update(data)
        self._write(data)

    def write_array(self, array: Array) -> None:
        """Append the bytes of an array."""
        self.write(np.ascontiguousarray(array).data.cast("B"))

    def digest(self, expected: bytes) -> str:
        """In hex; HostileInput if it is not the one that was `expected`."""
        require(self._sha256.digest() == expected, "the result has another digest than the delta says")
        return self._sha256.hexdigest()
