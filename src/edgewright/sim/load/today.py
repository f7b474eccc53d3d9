"""The agenda in real time: each deed waits for its moment, and how many come late is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from edgewright.sim.world.agenda import Agenda

LATE_S = 1.0


class Today(Agenda):
    """An agenda whose clock is the machine's."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock())
        self._read = clock
        self.deeds = 0
        self.late = 0
        """Deeds that came more than LATE_S after their moment: there is more to do than this process can."""

    def begin(self) -> float:
        """Let the present be now."""
        self.now = self._read()
        return self.now

    def run(self, until: float, stop: Event) -> None:
        """Do what is due, until a moment or until somebody sets `stop`."""
        while not stop.is_set():
            due_at = min(self.next_at, until)
            self.now = self._read()
            if self.now < due_at:
                stop.wait(due_at - self.now)
            elif due_at >= until:
                return
            else:
                self.late += self.now - due_at > LATE_S
                self.deeds += 1
                self.step()
