"""uvicorn on a socket that others share, ended by SIGTERM so that no request is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import uvicorn

from edgewright.agent.serve.http.bounded import BoundedProtocol

IDLE_S = 5.0
BOUND_S = 30.0
KEPT_S = 120
LOOK_EVERY_S = 0.05


class Draining(Protocol):
    """An application that can tell its clients to go."""

    is_draining: bool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        ...


class Server(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, then drains.

    Draining: (1) the listening socket is left to those who share it; (2) what is in flight is answered, and so is
    what still comes on kept connections, each time with `Connection: close`; (3) a connection that stays idle for
    `idle_s` is closed; (4) after `bound_s` all are. `is_ready` is called once connections are accepted. At all times a
    connection is closed on which no whole request comes within `kept_s`.
    """

    def __init__(
        self,
        application: Draining,
        is_ready: Callable[[], None],
        *,
        idle_s: float = IDLE_S,
        bound_s: float = BOUND_S,
        kept_s: int = KEPT_S,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=BoundedProtocol,
                loop="asyncio",
                ws="none",
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=kept_s,
                timeout_graceful_shutdown=1,
            )
        )
        self._application = application
        self._is_ready = is_ready
        self._idle_s = idle_s
        self._bound_s = bound_s

    async def main_loop(self) -> None:
        """Wait for the signal, without uvicorn's ten looks a second: an idle server takes no time at all."""
        self._is_ready()
        await self._asked.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then let uvicorn close what is left."""
        for server in self.servers:
            server.close()
        self._application.is_draining = True
        loop = asyncio.get_running_loop()
        started = loop.time()
        while self.server_state.connections and loop.time() - started < self._bound_s:
            await asyncio.sleep(LOOK_EVERY_S)
            if loop.time() - started >= self._idle_s:
                self._end_idle()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as the wish to end; ending well is exit code 0, not death by the signal."""
        loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _end_idle(self) -> None:
        """Close connections on which nothing is under way and nothing has come that waits to be read."""
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None and not _has_unread(transport.get_extra_info("socket")):
                connection.shutdown()


def _has_unread(ours: Any) -> bool:
    peek = socket.socket(fileno=ours.dup().detach()) if ours is not None else None
    if peek is None:
        return False
    with peek, contextlib.suppress(OSError):
        return bool(peek.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    return False
