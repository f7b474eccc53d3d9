"""A server in a test that says what it says a few bytes at a time, for ever."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Iterable


class Trickle:
    """Answers every connection with `parts`, one after the other with `pause_s` between, until it is closed."""

    def __init__(self, parts: Iterable[bytes], pause_s: float = 0.01, tls: ssl.SSLContext | None = None) -> None:
        self._parts = parts
        self._pause_s = pause_s
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(self._socket.accept()[0],), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for part in self._parts:
                if self._over.wait(self._pause_s):
                    return
                connection.sendall(part)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
ENDLESS_BODY = (HEAD, *itertools.repeat(b"x", 100_000))
ENDLESS_HEADERS = (b"HTTP/1.1 200 OK\r\n", *itertools.repeat(b"x", 100_000))
ENDLESS_CONTINUES = tuple(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 100_000))
