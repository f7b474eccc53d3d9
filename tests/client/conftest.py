"""A small real HTTP server that answers as a test tells it to and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from edgewright.client import Client
from edgewright.client.watching import Pace

Answer = Callable[[bytes], tuple[int, object]]


class Answers:
    """What the server says, by method and path without query, else by method; `asked` has method, path and body."""

    def __init__(self) -> None:
        self.by_door: dict[tuple[str, str], Answer] = {}
        self.by_verb: dict[str, Answer] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        self.tokens: list[str] = []

    def say(self, method: str, path: str, *replies: object, status: int = 200) -> None:
        """Reply with these, one after the other; the last stays."""
        left = list(replies)
        self.by_door[method, path] = lambda _: (status, left.pop(0) if len(left) > 1 else left[0])

    def bodies(self, method: str, path: str) -> list[bytes]:
        return [body for verb, asked, body in self.asked if verb == method and asked == path]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def url(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answers.asked.append((self.command, self.path, body))
            answers.tokens.append(self.headers.get("authorization", ""))
            door = (self.command, self.path.partition("?")[0])
            otherwise = answers.by_verb.get(self.command, lambda _: (404, None))
            status, said = answers.by_door.get(door, otherwise)(body)
            data = said if isinstance(said, bytes) else msgspec.json.encode(said)
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    for verb in ("GET", "POST", "PUT", "HEAD"):
        setattr(Handler, f"do_{verb}", Handler.reply)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, token="t0ken", pace=Pace(poll_s=0.0)) as client:
        yield client
