"""How many may be served at once; where all seats are taken, whoever has said nothing for the longest must go."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Seats:
    """Safe to use from many threads."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, None] = {}  # in the order of how long they have
        self._served: set[socket.socket] = set()

    def take(self, connection: socket.socket) -> bool:
        """Let somebody in; False where everybody here is being served."""
        with self._lock:
            if len(self._waiting) + len(self._served) >= self._count and not self._send_away():
                return False
            self._waiting[connection] = None
            return True

    def leave(self, connection: socket.socket) -> None:
        """Somebody has gone."""
        with self._lock:
            self._waiting.pop(connection, None)
            self._served.discard(connection)

    @contextlib.contextmanager
    def served(self, connection: socket.socket) -> Iterator[None]:
        """While somebody gets an answer."""
        with self._lock:
            self._waiting.pop(connection, None)
            self._served.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._served.discard(connection)
                self._waiting[connection] = None

    def _send_away(self) -> bool:
        """End the connection that has waited for the longest; its thread finds out and leaves."""
        for connection in self._waiting:
            del self._waiting[connection]
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            return True
        return False
