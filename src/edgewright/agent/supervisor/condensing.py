"""Keeps the spool small while the hub is away: a child merges old windows, and the least worthy give way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgewright.agent.disk import Spool
from edgewright.agent.system import Limits, logs, start_bound

EVERY_S = 60.0
MIN_WINDOWS = 240
MIN_MORE = 120
MAX_RUN_S = 300.0
LIMITS = Limits(data_bytes=512 * 1024**2, nice=15)
COMMAND = (sys.executable, "-m", "edgewright.agent.serve.condense", "--spool")


class Condensing:
    """`turn` never waits. A run begins where many old windows wait, and more than the last run left."""

    def __init__(self, folder: Path, spool: Spool, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._spool = spool
        self._monotonic = monotonic
        self._child: subprocess.Popen[bytes] | None = None
        self._next = float("-inf")
        self._left = 0
        self._started = 0.0

    def turn(self) -> None:
        """Look after the run that is on; where there is none, begin one if it is time."""
        now = self._monotonic()
        try:
            if self._child is not None:
                self._look_after(self._child, now)
            elif now >= self._next:
                self._next = now + EVERY_S
                self._spool.shed()
                self._begin(now)
        except OSError as error:  # the disk gives trouble: the next time, perhaps, it does not
            logs.warn("the spool cannot be condensed", reason=str(error))

    def _begin(self, now: float) -> None:
        if self._spool.condensable() >= max(MIN_WINDOWS, self._left + MIN_MORE):
            self._child, self._started = start_bound([*COMMAND, str(self._folder)], limits=LIMITS), now

    def _look_after(self, child: subprocess.Popen[bytes], now: float) -> None:
        if child.poll() is None and now - self._started > MAX_RUN_S:
            child.kill()
            child.wait()
        if child.poll() is None:
            return
        self._child = None
        child.communicate()
        has_more = child.returncode == 0 and self._spool.adopt()
        if has_more:
            self._next = now  # it takes the oldest first, a few megabytes at a time
        waiting = self._spool.condensable()
        self._left = 0 if has_more else waiting
        logs.say("old profile windows were condensed", exit=child.returncode, adopted=has_more, waiting=waiting)
