"""What other threads ask of delivery: deeds that it does on its own thread, between two turns."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from edgewright.agent.system import Bell

T = TypeVar("T")
D = TypeVar("D")


class Inbox(Generic[D]):
    """Deeds in the order in which they were asked for. `bell` wakes who does them."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._deeds: SimpleQueue[Callable[[D], None]] = SimpleQueue()

    def ask(self, deed: Callable[[D], T]) -> Future[T]:
        """Have the deed done; returns at once. What it returns or raises is in the future, once it is done."""
        future: Future[T] = Future()

        def do(doer: D) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(deed(doer))
            except Exception as error:
                future.set_exception(error)

        self._deeds.put(do)
        self._bell.ring()
        return future

    def do_all(self, doer: D) -> None:
        """Do what has been asked for; no deed's failure is the doer's."""
        while True:
            try:
                self._deeds.get_nowait()(doer)
            except Empty:
                return
