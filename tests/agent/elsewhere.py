"""A place beside the hub in a test, where blobs are served without asking who wants them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Elsewhere:
    """Serves `blobs` at /<sha256>, with ranges; `hops` leads through so many more redirects first."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self.blobs = blobs
        self.hops = 0
        self.status = 0
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                place.connections += 1
                super().setup()

            def do_GET(self) -> None:
                place.requests.append({name.lower(): value for name, value in self.headers.items()})
                status, headers, body = place.answer(self.path[1:], self.headers.get("Range", ""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, range_: str) -> tuple[int, dict[str, str], bytes]:
        if self.status:
            return self.status, {}, b"no"
        if path.count("+") < self.hops:
            return 302, {"Location": f"/{path}+"}, b"over there"
        data = self.blobs[path.rstrip("+")]
        if not range_:
            return 200, {}, data
        start = int(range_[6:-1])
        return 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
