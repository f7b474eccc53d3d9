"""A thread that looks at the clock for triggers: for schedules that strike, and for what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from edgewright.hub.db import DatabaseAway, DatabaseBusy

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
AFTER_FAILURE_S = 10.0


class Ticking:
    """Calls `look` every second, for as long as the hub runs. Of several hubs each does: who comes first decides."""

    def __init__(self, look: Callable[[], object], *, every_s: float = LOOK_EVERY_S) -> None:
        self._look = look
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="triggers", daemon=True)

    def start(self) -> None:
        """Begin: what came while no hub was up is looked at first."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the look in hand and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self._every_s
            try:
                self._look()
            except (DatabaseAway, DatabaseBusy):
                wait_s = AFTER_FAILURE_S
            except Exception:
                log.exception("triggers.look_failed")
                wait_s = AFTER_FAILURE_S
