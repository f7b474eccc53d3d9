"""A worker's signs of life while a task is at work: every few seconds, with what the command has said since."""

from __future__ import annotations

import threading
from types import TracebackType

from edgewright.contract.api.workers import MAX_LOG_CHARS, Beat, Lease
from edgewright.contract.errors import EdgewrightError, HostileInput, Told, Unreachable
from edgewright.worker.line import Line

LOST = ("lease_lost", "bad_grant", "unknown_task", "unknown_worker")


def is_lost(error: EdgewrightError) -> bool:
    """Whether the hub says that this task is no longer this worker's."""
    return isinstance(error, Told) and error.code in LOST


class Beating:
    """Beats in a thread of its own, from `with` to its end. `is_lost` tells that the hub wants no more of it."""

    def __init__(self, line: Line, lease: Lease) -> None:
        self.is_lost = False
        self.why = ""
        self._line = line
        self._lease = lease
        self._text = ""  # the newest of what was said
        self._chars = 0  # all that was said
        self._known = 0  # what the hub has of it
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beating", daemon=True)

    def __enter__(self) -> Beating:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def hear(self, line: str) -> None:
        """Take a line of the command in; the newest MAX_LOG_CHARS wait for the next beat."""
        with self._lock:
            self._text = (self._text + line + "\n")[-MAX_LOG_CHARS:]
            self._chars += len(line) + 1

    def beat(self) -> None:
        """Beat once, now. While the hub is away nothing is lost but time."""
        with self._lock:
            first = self._chars - len(self._text)
            begin = max(self._known, first)
            beat = Beat(log=self._text[begin - first :], log_from=begin)
        try:
            self._known = self._line.beat(self._lease, beat).log_to
        except (Unreachable, HostileInput):
            return
        except Told as error:
            if is_lost(error):
                self.is_lost, self.why = True, error.message

    def _run(self) -> None:
        while not self.is_lost:
            self.beat()
            if self._over.wait(self._lease.beat_s):
                return
