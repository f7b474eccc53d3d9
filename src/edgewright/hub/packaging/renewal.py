"""Keeps the online metadata fresh for as long as the hub runs: without it devices would trust the hub for a day."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

RENEW_EVERY_S = 6 * 3600.0
RETRY_AFTER_S = 60.0


class Renewal:
    """A thread that calls `renew` every few hours, and soon again after it failed.

    This is no run: nobody may cancel it, and one failure must not end it.
    """

    def __init__(
        self, renew: Callable[[], bool], *, every_s: float = RENEW_EVERY_S, retry_s: float = RETRY_AFTER_S
    ) -> None:
        self._renew = renew
        self._every_s = every_s
        self._retry_s = retry_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Begin; the first renewal is due after the first wait."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the renewal in hand and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s = self._every_s
        while not self._stopping.wait(wait_s):
            try:
                self._renew()
                wait_s = self._every_s
            except Exception:
                log.exception("packaging.renewal_failed")
                wait_s = self._retry_s
