"""Records on their way to the spool: nobody who answers requests waits for the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from edgewright.agent.disk import SpoolFull, Writer
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Fault, Record

MAX_WAITING = 1000
MAX_MESSAGE_CHARS = 300


class Outbox:
    """Records on their way to the spool: `put` never waits for the disk and never fails, `drain` does the writing."""

    def __init__(self, writer: Writer, name: str, clock: Callable[[], float]) -> None:
        self.dropped = 0
        self._writer = writer
        self._name = name
        self._clock = clock
        self._waiting: deque[Record] = deque(maxlen=MAX_WAITING)
        self._told: set[str] = set()
        self._draining = threading.Lock()

    def put(self, record: Record) -> None:
        """Have `record` written soon."""
        self._waiting.append(record)

    def fault(self, code: str, message: str) -> None:
        """Tell of a fault, once for each code."""
        if code not in self._told:
            self._told.add(code)
            record = Fault(id=f"{self._name}:{code}", at=self._clock(), code=code, message=message[:MAX_MESSAGE_CHARS])
            self.put(record)

    def drain(self) -> None:
        """Write what waits. What the spool refuses is dropped and counted: the app must go on."""
        with self._draining:
            while self._waiting:
                try:
                    self._writer.append(self._waiting.popleft())
                except (SpoolFull, InvalidInput):
                    self.dropped += 1

    def close(self) -> None:
        """Write what waits and let go of the spool."""
        self.drain()
        self._writer.close()
