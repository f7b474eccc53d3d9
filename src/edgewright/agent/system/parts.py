"""What the supervisor's event loop drives: anything that waits on descriptors and on the clock, and never blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


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
