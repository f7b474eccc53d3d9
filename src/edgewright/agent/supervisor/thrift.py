"""The supervisor's own memory: what it no longer needs, it gives back now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewright.agent.system.memory import Span, clean_mappings, give_back

FIRST_S = 10.0  # the first talk with the hub loads the last of what is needed
AGAIN_S = 2.0  # after the first look; no library takes so long to load
PERIOD_S = 300.0


class Thrift:
    """A Part. What it gives back looked clean the last time, too: other threads may be loading a library just now."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._clean: frozenset[Span] | None = None
        self._due_at = monotonic() + FIRST_S

    def waits_on(self) -> Iterable[int]:
        """Nothing but time."""
        return ()

    def turn(self) -> float:
        """Give back what is due."""
        now = self._monotonic()
        if now >= self._due_at:
            self._due_at = now + (AGAIN_S if self._clean is None else PERIOD_S)
            if self._clean is not None:
                give_back(self._clean)
            self._clean = frozenset(clean_mappings())
        return self._due_at - now

    def close(self) -> None:
        """Nothing is held."""
