"""Lines of JSON between a child and the supervisor: the child's end, and the cutting of what comes in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from edgewright.contract.errors import HostileInput

MAX_LINE_BYTES = 64 * 1024


def own_stdout() -> Callable[[msgspec.Struct], None]:
    """Keep this process's standard output for lines: what a runtime prints goes to standard error instead."""
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def tell(said: msgspec.Struct) -> None:
        lines.write(msgspec.json.encode(said) + b"\n")

    return tell


class Lines:
    """What a child that runs foreign models has said, line by line."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`, without their line feeds. Raises HostileInput where one has no end."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise HostileInput(f"the worker does not end its line within {MAX_LINE_BYTES} bytes")
        return whole
