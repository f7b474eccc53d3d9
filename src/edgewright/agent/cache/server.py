"""The cache's door: GET /blobs/<sha256> with at most one range, for everybody on the site."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgewright import __version__
from edgewright.agent.cache.shelf import Shelf
from edgewright.contract.errors import EdgewrightError

PATH = re.compile(r"/blobs/([0-9a-f]{64})")
RANGE = re.compile(r"bytes=(\d{1,15})-")
IDLE_S = 60.0


class CacheServer(ThreadingHTTPServer):
    """Serves what the shelf has or can get. It tells nobody what it holds: who asks must know a digest."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, shelf: Shelf) -> None:
        super().__init__((host, port), _Handler)
        self.shelf = shelf


class _Handler(BaseHTTPRequestHandler):
    server: CacheServer
    protocol_version = "HTTP/1.1"
    server_version = f"edgewright-cache/{__version__}"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def do_GET(self) -> None:
        """A blob, or its bytes from some place on (RFC 9110, section 14)."""
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
