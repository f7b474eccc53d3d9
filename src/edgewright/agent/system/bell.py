"""Wakes a loop that waits on descriptors, from any thread and from a signal's handler."""

from __future__ import annotations

import contextlib
import os


class Bell:
    """One loop's: it waits on the descriptor, hushes it once awake, and then looks at what there is to do."""

    def __init__(self) -> None:
        self.is_rung = False
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """Wake the loop; it stays awake until it has hushed the bell."""
        self.is_rung = True
        with contextlib.suppress(BlockingIOError):  # it has been rung 2**64 - 2 times
            os.eventfd_write(self._fd, 1)

    def hush(self) -> None:
        """Be silent until the next ring."""
        self.is_rung = False
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def fileno(self) -> int:
        """What to wait on."""
        return self._fd

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._fd)
