"""What the supervisor's event loop drives: anything that waits on descriptors and on the clock, and never blocks."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Protocol

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Of accept(2): somebody calls, and goes on calling, but this process has nothing left to hear him with."""
DEAF_S = 1.0
"""For so long a part does not wait on its callers then, as it would be awake all the time."""


class Part(Protocol):
    """One of the things that one thread looks after, turn by turn."""

    def waits_on(self) -> Iterable[int]:
        """The descriptors that wake it when they can be read."""
        ...

    def turn(self) -> float:
        """Do what is due, without waiting. Returns the seconds until the next turn; infinity: descriptors alone."""
        ...

    def close(self) -> None:
        """Let go of everything; called once."""
        ...
