"""A bell for requests that wait: whoever listens is woken by the next event, in whichever thread that is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator

from litestar.types import Receive

from edgewright.hub.events import Event, Events


class Bell:
    """Rings at events of these kinds, whichever hub records them."""

    def __init__(self, events: Events, kinds: Collection[str]) -> None:
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        events.watch(kinds, self._ring)

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """What is set when the bell has rung since; whoever goes on listening clears it."""
        rung = asyncio.Event()
        self._listeners[rung] = asyncio.get_running_loop()
        try:
            yield rung
        finally:
            del self._listeners[rung]

    def _ring(self, _event: Event) -> None:
        for rung, loop in list(self._listeners.items()):
            with contextlib.suppress(RuntimeError):  # its loop has closed
                loop.call_soon_threadsafe(rung.set)


@contextlib.contextmanager
def hanging_up(receive: Receive, wake: asyncio.Event) -> Iterator[Callable[[], bool]]:
    """Whether who sent a request, which was read, has gone since; that sets `wake` as well."""

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    listening = asyncio.create_task(listen())
    listening.add_done_callback(lambda _: wake.set())
    try:
        yield listening.done
    finally:
        listening.cancel()
