"""The supervisor's own memory: what it no longer needs, it gives back now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewright.agent.system.memory import give_back

FIRST_S = 10.0  # the first talk with the hub loads the last of what is needed
PERIOD_S = 300.0


class Thrift:
    """A Part."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due_at = monotonic() + FIRST_S

    def waits_on(self) -> Iterable[int]:
        """Nothing but time."""
        return ()

    def turn(self) -> float:
        """Give back what is due."""
        now = self._monotonic()
        if now >= self._due_at:
            give_back()
            self._due_at = now + PERIOD_S
        return self._due_at - now

    def close(self) -> None:
        """Nothing is held."""
