"""A thread that looks at the clock: for schedules that strike, for what waits, and for what is old."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from edgewright.hub.db import DatabaseAway, DatabaseBusy

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
AFTER_FAILURE_S = 10.0


class Ticking:
    """Calls `looks` every second, for as long as the hub runs. Of several hubs each does: who comes first decides."""

    def __init__(self, *looks: Callable[[], object], every_s: float = LOOK_EVERY_S) -> None:
        self._looks = looks
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticking", daemon=True)

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
            failures = [look for look in self._looks if not _is_fine(look)]
            wait_s = AFTER_FAILURE_S if failures else self._every_s


def _is_fine(look: Callable[[], object]) -> bool:
    try:
        look()
    except (DatabaseAway, DatabaseBusy):
        return False
    except Exception:
        log.exception("ticking.look_failed")
        return False
    return True
