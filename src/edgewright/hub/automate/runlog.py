"""What a command says, saved every second or so and not line by line: a chatty one must not keep the database busy."""

from __future__ import annotations

from collections.abc import Callable

SAVE_EVERY_S = 1.0
MAX_WAITING_CHARS = 64 * 1024


class RunLog:
    """Collects lines and hands them to `save` together, the newest `MAX_WAITING_CHARS` of them."""

    def __init__(self, save: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._save = save
        self._clock = clock
        self._waiting = ""
        self._saved_at = float("-inf")

    def add(self, line: str) -> None:
        """Take a line in; it is saved now, or with those that follow it within a second."""
        self._waiting = (self._waiting + line + "\n")[-MAX_WAITING_CHARS:]
        if self._clock() - self._saved_at >= SAVE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Save what waits."""
        if self._waiting:
            self._save(self._waiting)
        self._waiting, self._saved_at = "", self._clock()
