"""The device's HTTP client against answers that no server should give: only the link's own errors come out, soon."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.link import BlobLine, Link, NearFirst, Patience, Throttle
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.report import CheckIn
from scenes.desk import until

SEED = int(os.environ.get("EDGEWRIGHT_SEED", "1"))
TIMES = int(os.environ.get("EDGEWRIGHT_MUTANTS", "1"))
HASTE = Patience(silence_s=0.3, min_bytes_s=50_000.0, monotonic=time.monotonic)
COUNT = 400
SHA256 = "0" * 64
GOOD = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"nonce": "n", "ttl_s": 60}',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{"nonce": "n", "ttl_s": 60}\r\n0\r\n\r\n',
    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nbytes",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nDate: Wed, 18 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\nno",
    b'HTTP/1.1 403 No\r\nContent-Length: 42\r\n\r\n{"error": {"code": "no", "message": "no"}}',
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
)
PIECES = (
    b"\r\n",
    b"\n",
    b"\0",
    b"\x85",
    b"\xff\xfe",
    b": ",
    b"-1",
    b"99999999999999999999",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"chunked",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/9.9 ",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Range: bytes */*\r\n",
    b"Content-Type: text/html\r\n",
    b"Location: //[::1\r\n",
    b"Location: http://" + b"a" * 70 + b"/\r\n",
    b"Retry-After: \xd9\xa1\r\n",
    b"Retry-After: Mon, 99 Foo 99999 99:99:99 +9999\r\n",
    b"Connection: close\r\n",
    b"X: y\r\n" * 200,
    b"A" * 70_000,
    "é€".encode(),
    b"=?utf-8?q?x?=",
)


class Answering:
    """A server that gives every connection the same bytes and hangs up."""

    def __init__(self) -> None:
        self.said = b""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1.0)
            connection.recv(65536)
            connection.sendall(self.said)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@pytest.fixture
def server():
    server = Answering()
    yield server
    server.close()


def mutant(chance: random.Random) -> bytes:
    """An answer with up to four things wrong with it."""
    answer = bytearray(chance.choice(GOOD))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(answer) + 1)
        match chance.randrange(4):
            case 0:
                answer[at:at] = chance.choice(PIECES)
            case 1:
                del answer[at : at + chance.randint(1, 20)]
            case 2 if at < len(answer):
                answer[at] ^= 1 << chance.randrange(8)
            case _:
                answer[at:] = chance.choice(GOOD)[chance.randrange(20) :]
    return bytes(answer)


def attempt(act: Callable[[], object]) -> str:
    try:
        act()
    except EdgewrightError as error:
        return type(error).__name__
    return "taken"


def hostile_answers(server: Answering, count: int) -> dict[str, int]:
    """Ask in every way that a device asks, and count what came out."""
    chance, found = random.Random(SEED), dict[str, int]()
    link = Link(
        server.url, SoftKey(Ed25519PrivateKey.generate()), device="d", clock=lambda: 0.0, patience=HASTE, talk_s=1.0
    )
    throttle = Throttle(0.0, time.monotonic, lambda _: False)
    line = BlobLine(link, throttle=throttle, patience=HASTE, measured=lambda *_, **__: None)

    def fetch(offset: int) -> None:
        near = NearFirst([server.url] * (offset % 2), line, throttle=throttle, patience=HASTE)
        try:
            with near.body(SHA256, offset) as chunks:
                for _ in chunks:
                    pass
        finally:
            for neighbour in near._neighbours:
                neighbour.streams.close()

    ways: list[Callable[[], object]] = [
        lambda: link.check_in(CheckIn(nonce="n")),
        lambda: link.tuf("timestamp.json", 1000),
        lambda: link.blob(SHA256, 1000),
        lambda: fetch(0),
        lambda: fetch(5),
        lambda: line.size_bytes(SHA256),
    ]
    for number in range(count):
        server.said = mutant(chance)
        link._token = "t" if number % 5 else ""
        came = attempt(ways[number % len(ways)])
        found[came] = found.get(came, 0) + 1
    link.close()
    line.close()
    return found


def test_nothing_but_the_link_s_own_errors_comes_of_hostile_answers(server, tell_figure):
    began, open_before = time.monotonic(), len(os.listdir("/proc/self/fd"))

    found = hostile_answers(server, COUNT)

    taken_s = time.monotonic() - began
    tell_figure(f"{COUNT} hostile answers in {taken_s:.1f} s: {dict(sorted(found.items()))}")
    assert sum(found.values()) == COUNT
    assert len(found) >= 5
    until(lambda: len(os.listdir("/proc/self/fd")) <= open_before + 4, "no descriptor is left open")


@pytest.mark.slow
def test_nothing_but_the_link_s_own_errors_comes_of_many_more_hostile_answers(server, tell_figure):
    found = hostile_answers(server, 50_000 * TIMES)

    tell_figure(f"{50_000 * TIMES} hostile answers: {dict(sorted(found.items()))}")
