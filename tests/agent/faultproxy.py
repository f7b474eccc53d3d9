"""A small TCP proxy between a device and its hub, on real sockets, that does to each answer what the test's fault does.

It relays one request at a time. A fault gets the request and the hub's answer, whole, and gives the bytes that the
device gets instead, piece by piece; when it ends before its time, or raises Cut, the connection is closed.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

HTML = b"<!DOCTYPE html><title>Welcome</title><p>Please log in to this network." + b" " * 3000


class Cut(Exception):
    """The cable is pulled."""


@dataclass(frozen=True)
class Asked:
    """What the device has said: `door` is 'checkin', 'tuf', 'blobs', ...; `offset` where its range begins."""

    head: bytes
    body: bytes
    door: str
    offset: int


@dataclass(frozen=True)
class Answer:
    """What the hub has said."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __bytes__(self) -> bytes:
        said = {**self.headers, "Content-Length": self.headers.get("Content-Length", str(len(self.body)))}
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, '')}"]
        lines += [f"{name}: {value}" for name, value in said.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Fault = Callable[[Asked, Answer, "FaultProxy"], Iterator[bytes]]


class FaultProxy:
    """Listens at `url`; `upstream` is the hub. `up_bytes` and `down_bytes` were moved on the device's side."""

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self.fault: Fault = honest
        self.connections = self.requests = self.up_bytes = self.down_bytes = 0
        self._upstream = urlsplit(upstream)
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._tls = tls
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._listener.close()

    def reset(self) -> None:
        self.connections = self.requests = self.up_bytes = self.down_bytes = 0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                if self.fault is slam:
                    self.requests += 1
                    connection.close()
                    continue
                threading.Thread(target=self._relay, args=(connection,), daemon=True).start()

    def _relay(self, bare: socket.socket) -> None:
        with bare, contextlib.suppress(OSError, Cut, http.client.HTTPException, ValueError):
            device = self._tls.wrap_socket(bare, server_side=True) if self._tls else bare
            with device, device.makefile("rb") as said:
                while (asked := self._listen(said)) is not None:
                    self.requests += 1
                    for piece in self.fault(asked, self._ask(asked), self):
                        device.sendall(piece)
                        self.down_bytes += len(piece)

    def _listen(self, said) -> Asked | None:
        head = b"".join(itertools.takewhile(lambda line: line not in (b"\r\n", b""), said))
        if not head:
            return None
        headers = dict(line.split(b": ", 1) for line in head.lower().splitlines()[1:])
        body = said.read(int(headers.get(b"content-length", b"0")))
        self.up_bytes += len(head) + len(body)
        path = head.split(b" ", 2)[1].decode()
        offset = int(headers.get(b"range", b"bytes=0-").decode()[6:-1])
        return Asked(head, body, path.removeprefix("/device/v1/").split("/")[0], offset)

    def _ask(self, asked: Asked) -> Answer:
        connection = http.client.HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=10)
        first, *lines = asked.head.decode("latin-1").splitlines()
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        with contextlib.closing(connection):
            connection.request(method, path, asked.body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())


def honest(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    yield bytes(answer)


def on(door: str, fault: Fault) -> Fault:
    """The fault at one door alone."""

    def at_door(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
        yield from (fault if asked.door == door else honest)(asked, answer, proxy)

    return at_door


def trickle(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """A byte now and then."""
    for byte in bytes(answer):
        yield bytes([byte])
        if proxy.over.wait(0.02):
            return


def endless(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """A body without an end, as fast as it is taken."""
    yield bytes(Answer(200, {"Content-Length": str(10**12)}, b""))
    while not proxy.over.is_set():
        yield bytes(64 * 1024)


def endless_chunks(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while not proxy.over.is_set():
        yield b"10000\r\n" + bytes(0x10000) + b"\r\n"


def cut_every(size_bytes: int) -> Fault:
    """No answer gets further than so many bytes."""

    def cut(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
        whole = bytes(answer)
        yield whole[:size_bytes]
        if len(whole) > size_bytes:
            raise Cut

    return cut


def flip(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """One byte in the middle of each body is another."""
    body = bytearray(answer.body)
    if body:
        body[len(body) // 2] ^= 0x55
    yield bytes(Answer(answer.status, answer.headers, bytes(body)))


def packed(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """gzip, though nobody asked for it."""
    kept = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    yield bytes(Answer(answer.status, {**kept, "Content-Encoding": "gzip"}, gzip.compress(answer.body)))


def other_range(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """206, and another range than was asked for."""
    size = len(answer.body)
    yield bytes(Answer(206, {"Content-Range": f"bytes {asked.offset + 7}-{size + 6}/{size + 9}"}, answer.body))


def multipart(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    parts = b"--x\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--x--\r\n"
    yield bytes(Answer(206, {"Content-Type": "multipart/byteranges; boundary=x"}, parts))


def portal(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """A page at every door."""
    yield bytes(Answer(200, {"Content-Type": "text/html; charset=utf-8"}, HTML))


def silent_portal(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """The same, which does not say that it is a page."""
    yield bytes(Answer(200, {}, HTML))


def refusing_portal(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    yield bytes(Answer(404, {"Content-Type": "text/plain"}, b"no such page"))


def sends_on_to(address: str) -> Fault:
    """A redirect at every door."""

    def redirect(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
        yield bytes(Answer(302, {"Location": address}, b"over there"))

    return redirect


def busy(status: int, **headers: str) -> Fault:
    def refuse(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
        yield bytes(Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"busy"))

    return refuse


def hang(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    """Not a word."""
    proxy.over.wait(30.0)
    yield b""


def slam(asked: Asked, answer: Answer, proxy: FaultProxy) -> Iterator[bytes]:
    raise Cut
    yield b""
