"""What observation does by the clock: snoozes that end, reminders, and forgetting what is old."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from edgewright.hub.db import Database, DatabaseAway, DatabaseBusy
from edgewright.hub.observe.alerts import Alerts
from edgewright.hub.observe.routes import Routes
from edgewright.hub.observe.service import Observe

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
WAKE_EVERY_S = 20.0
REMIND_EVERY_S = 900.0
FORGET_EVERY_S = 6 * 3600.0
PLACE = "upkeep"


class Upkeep:
    """A thread; of several hubs one at a time does the work. What a crash cuts off is done at the next look."""

    def __init__(
        self, db: Database, clock: Callable[[], float], observe: Observe, alerts: Alerts, routes: Routes
    ) -> None:
        self._db = db
        self._clock = clock
        self._observe = observe
        self._alerts = alerts
        self._routes = routes
        self._done_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with what another life has left."""
        self._observe.recover()
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def look(self) -> None:
        """Do what is due."""
        self._observe.catch_up()
        with self._db.alone(PLACE, wait=False) as is_mine:
            if not is_mine:
                return
            if self._is_due("wake", WAKE_EVERY_S):
                self._alerts.wake()
            if self._is_due("remind", REMIND_EVERY_S):
                self._routes.remind()
            if self._is_due("forget", FORGET_EVERY_S):
                self._observe.look_after()

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._clock()
        if now - self._done_at.get(what, float("-inf")) < every_s:
            return False
        self._done_at[what] = now
        return True

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.look()
            except (DatabaseAway, DatabaseBusy):
                continue
            except Exception:
                log.exception("observe.upkeep_failed")
