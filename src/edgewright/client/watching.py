"""Watching something at the hub until it is over, through a restart of the hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from edgewright.contract.errors import Refused, Unreachable

T = TypeVar("T")

POLL_S = 0.25
PATIENCE_S = 60.0


class Pace:
    """How often to look, how long to wait for a hub that is away, and by which clock."""

    def __init__(
        self,
        *,
        poll_s: float = POLL_S,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.poll_s = poll_s
        self.patience_s = patience_s
        self.sleep = sleep
        self.clock = clock


def changes(
    fetch: Callable[[], T], is_over: Callable[[T], bool], *, pace: Pace, timeout_s: float | None = None
) -> Iterator[T]:
    """Yield what `fetch` returns whenever it has changed; the last one is over.

    A hub that does not answer is asked again for `pace.patience_s`. Raises Unreachable after that, and Refused
    where `timeout_s` ends first.
    """
    started = pace.clock()
    seen: T | None = None
    for now in _fetched(fetch, pace):
        if now != seen:
            seen = now
            yield now
        if is_over(now):
            return
        if timeout_s is not None and pace.clock() - started >= timeout_s:
            raise Refused(f"it has not ended after {timeout_s:g} s", field="timeout_s", hint="It goes on at the hub.")
        pace.sleep(pace.poll_s)


def _fetched(fetch: Callable[[], T], pace: Pace) -> Iterator[T]:
    answered = pace.clock()
    while True:
        try:
            now = fetch()
        except Unreachable:
            if pace.clock() - answered >= pace.patience_s:
                raise
            pace.sleep(pace.poll_s)
            continue
        answered = pace.clock()
        yield now
