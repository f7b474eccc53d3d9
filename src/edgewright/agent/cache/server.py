"""The cache's door: GET /blobs/<sha256> with at most one range, for everybody on the site."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from edgewright import __version__
from edgewright.agent.cache.seats import Seats
from edgewright.agent.system import Stop
from edgewright.contract.errors import EdgewrightError

PATH = re.compile(r"/blobs/([0-9a-f]{64})")
RANGE = re.compile(r"bytes=(\d{1,15})-")
IDLE_S = 60.0
MAX_CONNECTIONS = 64
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Blobs(Protocol):
    """What is served."""

    def find(self, sha256: str) -> int:
        """The length of a blob; raises EdgewrightError."""
        ...

    def read(self, sha256: str, start: int, length: int) -> Iterator[bytes]:
        """So many bytes of a blob that was found; raises EdgewrightError."""
        ...


class CacheServer(ThreadingHTTPServer):
    """Serves what the shelf has or can get. It tells nobody what it holds: who asks must know a digest."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, shelf: Blobs, max_connections: int = MAX_CONNECTIONS) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.shelf = shelf
        self.seats = Seats(max_connections)

    def serve_until(self, stop: Stop) -> None:
        """Serve on threads of its own until the stop is requested."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        while not stop.is_requested:
            stop.wait(3600.0)
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give somebody a thread, if there is a seat."""
        if self.seats.take(request):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.settimeout(1.0)
            request.sendall(FULL)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Somebody has gone."""
        self.seats.leave(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever breaks off is nobody's business either."""


class _Handler(BaseHTTPRequestHandler):
    server: CacheServer
    protocol_version = "HTTP/1.1"
    server_version = f"edgewright-cache/{__version__}"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def do_GET(self) -> None:
        """A blob, or its bytes from some place on (RFC 9110, section 14)."""
        with self.server.seats.served(self.connection):
            self._serve()

    def _serve(self) -> None:
        found = PATH.fullmatch(self.path)
        if found is None:
            self._refuse(404)
            return
        try:
            size_bytes = self.server.shelf.find(found[1])
        except EdgewrightError as error:
            self._refuse(404 if error.http_status == 404 else 503)
            return
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked and start >= size_bytes:
            self._refuse(416, ("Content-Range", f"bytes */{size_bytes}"))
            return
        span = [("Content-Range", f"bytes {start}-{size_bytes - 1}/{size_bytes}")] if asked else []
        self._answer(206 if asked else 200, size_bytes - start, ("ETag", f'"{found[1]}"'), *span)
        self._pass_on(found[1], start, size_bytes - start)

    def log_message(self, *_: object) -> None:
        """Nothing: what is asked for is nobody's business."""

    def _pass_on(self, sha256: str, start: int, length: int) -> None:
        try:
            for chunk in self.server.shelf.read(sha256, start, length):
                self.wfile.write(chunk)
        except (EdgewrightError, OSError):  # the answer is begun: all that can still be said is that it broke off
            self.close_connection = True

    def _answer(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", "application/octet-stream"), ("Content-Length", str(length)), *headers):
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: int, *headers: tuple[str, str]) -> None:
        self._answer(status, 0, *headers)
