"""Threads for what must not hold up the event loop, with a bound on how much may wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from edgewright.contract.errors import Busy

COUNT = 16
RETRY_S = 5.0

log = structlog.get_logger()

T = TypeVar("T")


class Threads:
    """At most `max_waiting` pieces of work at once, whether they run or wait."""

    def __init__(self, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(COUNT, "devices")
        self._max_waiting = max_waiting
        self._waiting = 0

    @property
    def share(self) -> float:
        """How much of its places is taken, from 0 to 1."""
        return self._waiting / self._max_waiting

    async def do(self, act: Callable[..., T], *args: object) -> T:
        """What `act` returns, done in a thread. Raises Busy, and what it raises."""
        if self._waiting >= self._max_waiting:
            raise Busy("the hub has too many requests to answer now", retry_after_s=RETRY_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, act, *args)
        finally:
            self._waiting -= 1

    def begin(self, act: Callable[[], None]) -> None:
        """Do `act` in a thread, whoever waits for it; what it raises is logged."""
        self._pool.submit(_logged, act)


def _logged(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception:
        log.exception("device.work_failed")
