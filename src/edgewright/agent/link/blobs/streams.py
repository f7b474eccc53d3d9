"""Answers with long bodies: kept connections, one for each place, and bytes at the allowed rate."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from urllib.parse import SplitResult

from edgewright.agent.link.blobs.throttle import Throttle
from edgewright.agent.link.line import (
    NotTheHub,
    Patience,
    TimedConnection,
    TooSlow,
    check_sender,
    foreign_errors_told,
)
from edgewright.contract.errors import Unreachable

MAX_CONNECTIONS = 4


class Streams:
    """GETs and HEADs whose bodies are read piece by piece, on at most MAX_CONNECTIONS connections at a time."""

    def __init__(self, throttle: Throttle, patience: Patience) -> None:
        self._throttle = throttle
        self._patience = patience
        self._connections: dict[tuple[str, str], TimedConnection] = {}
        self._is_over = False

    def ask(self, url: SplitResult, headers: dict[str, str], method: str = "GET") -> http.client.HTTPResponse:
        """One request on the kept connection, opened anew, once, if it was closed meanwhile. Raises Unreachable."""
        was_open = origin(url) in self._connections
        try:
            return self._request(url, headers, method)
        except Unreachable as error:
            if not was_open or isinstance(error, TooSlow):
                raise
            return self._request(url, headers, method)

    def chunks(self, response: http.client.HTTPResponse, skipped: int, tally: Tally) -> Iterator[bytes]:
        """The body without its first `skipped` bytes; raises Unreachable where it breaks off."""
        while chunk := self._read(response):
            self._throttle.take(len(chunk))
            tally.add(len(chunk))
            passed, skipped = chunk[skipped:], max(0, skipped - len(chunk))
            if passed:
                yield passed
            tally.go_on()

    def tally(self, began: float) -> Tally:
        """An account of an answer to what was asked at `began`."""
        return Tally(self._patience.monotonic, began)

    def leave(self, response: http.client.HTTPResponse) -> None:
        """Be done with an answer: what is left of it would be the answer to the next request."""
        if not response.isclosed():
            self.close()

    def hang_up(self) -> None:
        """From another thread: break off what is coming, and ask for nothing more."""
        self._is_over = True
        for connection in list(self._connections.values()):
            connection.hang_up()

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _request(self, url: SplitResult, headers: dict[str, str], method: str) -> http.client.HTTPResponse:
        if self._is_over:
            raise Unreachable("this device has hung up")
        try:
            with foreign_errors_told():
                connection = self._connection(url)
                connection.deadline, connection.is_bulk = self._patience.begin(), True
                connection.request(method, url.path + (f"?{url.query}" if url.query else ""), headers=headers)
                return connection.getresponse()
        except Unreachable:
            self.close()
            raise

    def _connection(self, url: SplitResult) -> TimedConnection:
        connection = self._connections.pop(origin(url), None) or TimedConnection(url, self._patience)
        while len(self._connections) >= MAX_CONNECTIONS:
            self._connections.pop(next(iter(self._connections))).close()
        self._connections[origin(url)] = connection
        return connection

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        with foreign_errors_told():
            chunk = response.read1(self._throttle.chunk_bytes) if response.length else response.read()
        if not chunk and response.length:
            raise Unreachable(f"the answer broke off {response.length} bytes before its end")
        return chunk


class Tally:
    """What one answer took, without the time that the device itself needed for the bytes."""

    def __init__(self, monotonic: Callable[[], float], began: float) -> None:
        self._monotonic = monotonic
        self._waiting_since = monotonic()
        self.request_s = self._waiting_since - began
        self.body_s = 0.0
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """So many bytes have come."""
        self.size_bytes += size_bytes
        self.body_s += self._monotonic() - self._waiting_since

    def go_on(self) -> None:
        """The device waits for more."""
        self._waiting_since = self._monotonic()


def check_body(response: http.client.HTTPResponse, offset: int) -> None:
    """Raise NotTheHub unless a successful answer has a length, and is all, or the range that was asked for."""
    check_sender(response)
    if response.length is None:  # chunked, so without an end that we could hold it to
        raise NotTheHub("the answer does not say how long the blob is", field="content-length")
    span = response.getheader("Content-Range", "")
    if response.status == http.client.PARTIAL_CONTENT and not (offset and span.startswith(f"bytes {offset}-")):
        raise NotTheHub(f"'{span[:60]}' is not the range that was asked for", field="content-range")


def origin(url: SplitResult) -> tuple[str, str]:
    """What a connection is kept for, and whom a token is meant for."""
    return url.scheme, url.netloc
