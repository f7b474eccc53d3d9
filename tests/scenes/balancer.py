"""A load balancer as simple as they come: each connection goes to the next hub that takes it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Sequence

CHUNK_BYTES = 65536


class Balancer:
    """Listens at `url` until `close`, in threads of its own. `ports` tells where hubs may be, all on this machine."""

    def __init__(self, ports: Callable[[], Sequence[int]]) -> None:
        self._ports = ports
        self._turn = itertools.count()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                threading.Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            hub = self._connect()
            if hub is None:
                return
            with hub:
                back = threading.Thread(target=_pipe, args=(hub, caller), daemon=True)
                back.start()
                _pipe(caller, hub)
                back.join()

    def _connect(self) -> socket.socket | None:
        ports = self._ports()
        first = next(self._turn)
        for place in range(len(ports)):
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", ports[(first + place) % len(ports)]), timeout=60)
        return None


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    """Until one of them has had enough."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
