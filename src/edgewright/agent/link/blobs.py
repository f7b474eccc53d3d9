"""The line that blobs come by: one kept connection, redirects to where the hub keeps them, at the allowed rate."""

from __future__ import annotations

import contextlib
import http.client
import math
from collections.abc import Callable, Iterator
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from edgewright.agent.link.deadline import Patience, TimedConnection, TooSlow
from edgewright.agent.link.hub import DIRECT, MAX_REPLY_BYTES, Link, foreign_errors_told, raise_for
from edgewright.agent.link.throttle import Throttle
from edgewright.contract.errors import HostileInput, Unreachable

REDIRECTS = (http.client.FOUND, http.client.TEMPORARY_REDIRECT)
MAX_REDIRECTS = 2
MAX_ADDRESS_CHARS = 8 * 1024
DIRECT_S = 600.0
TELLING_BYTES = 64 * 1024
TELLING_ANSWERS = 100


class Measured(Protocol):
    """Told of an answer."""

    def __call__(self, size_bytes: int, *, request_s: float, body_s: float) -> None:
        """So many bytes, the seconds until the first of them, and the seconds from there on."""
        ...


class BlobLine:
    """Blobs of the hub, or of the store that it sends the device to.

    A redirect changes where bytes come from and nothing else: the session's token stays with the hub, and length and
    digest are checked by whoever asked.
    """

    def __init__(self, link: Link, *, throttle: Throttle, patience: Patience, measured: Measured) -> None:
        self._link = link
        self._throttle = throttle
        self._patience = patience
        self._measured = measured
        self._connections: dict[tuple[str, str], TimedConnection] = {}
        self._answers = 0
        self._is_outside = False  # whether the last answer came from where the hub sent us
        self._direct_until = -math.inf

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on. Raises Unreachable, NotFound, NotAllowed, HostileInput and Told."""
        began = self._patience.monotonic()
        url = urlsplit(self._link.url(f"/blobs/{sha256}"))
        try:
            response = self._link.in_session(lambda bearer: self._follow(url, bearer, offset))
        except Unreachable:
            self._blame_outside()
            raise
        tally = _Tally(self._patience.monotonic, began)
        try:
            yield self._chunks(response, offset if response.status == http.client.OK else 0, tally)
        except Unreachable:
            self._blame_outside()
            raise
        finally:
            self._tell(tally)
            if not response.isclosed():  # what is left of it would be the answer to the next request
                self.close()

    def disown(self, _sha256: str) -> bool:
        """If a place that the hub had named sent other bytes, the hub itself is asked next."""
        return self._blame_outside()

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _blame_outside(self) -> bool:
        """After a failure: whether it was another's than the hub's, who is asked to answer itself for a while."""
        was_outside, self._is_outside = self._is_outside, False
        if was_outside:
            self._direct_until = self._patience.monotonic() + DIRECT_S
        return was_outside

    def _follow(self, url: SplitResult, bearer: dict[str, str], offset: int) -> http.client.HTTPResponse:
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        direct = DIRECT if self._patience.monotonic() < self._direct_until else {}
        home = _origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._is_outside = _origin(url) != home
            response = self._ask(url, ranged if self._is_outside else {**ranged, **direct, **bearer})
            if response.status not in REDIRECTS:
                return self._accept(response, offset)
            url = _next(url, response.getheader("Location", ""))
            with foreign_errors_told():
                response.read(MAX_REPLY_BYTES)
        raise Unreachable(f"the hub sends this device on more than {MAX_REDIRECTS} times for a blob")

    def _ask(self, url: SplitResult, headers: dict[str, str]) -> http.client.HTTPResponse:
        """One request on the kept connection; one that was closed meanwhile is opened anew, once."""
        was_open = _origin(url) in self._connections
        try:
            return self._request(url, headers)
        except Unreachable as error:
            self.close()
            if not was_open or isinstance(error, TooSlow):
                raise
            return self._request(url, headers)

    def _request(self, url: SplitResult, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self._connections.get(_origin(url)) or TimedConnection(url, self._patience)
        self._connections[_origin(url)] = connection
        connection.deadline = self._patience.begin()
        with foreign_errors_told():
            connection.request("GET", url.path + (f"?{url.query}" if url.query else ""), headers=headers)
            return connection.getresponse()

    def _accept(self, response: http.client.HTTPResponse, offset: int) -> http.client.HTTPResponse:
        if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
            with foreign_errors_told():
                reply = response.read(MAX_REPLY_BYTES)
            if not response.isclosed():
                self.close()
            if self._is_outside:  # what an outside store thinks of the request is not the hub's word about this device
                raise Unreachable(f"where the hub keeps its blobs, the answer is {response.status}")
            raise_for(response.status, reply)
        if response.length is None:  # chunked, so without an end that we could hold it to
            raise HostileInput("the hub does not say how long the blob is", field="content-length")
        span = response.getheader("Content-Range", "")
        if response.status == http.client.PARTIAL_CONTENT and not span.startswith(f"bytes {offset}-"):
            raise HostileInput(f"'{span[:60]}' is not the range that was asked for", field="content-range")
        return response

    def _chunks(self, response: http.client.HTTPResponse, skipped: int, tally: _Tally) -> Iterator[bytes]:
        while chunk := self._read(response):
            self._throttle.take(len(chunk))
            tally.add(len(chunk))
            passed, skipped = chunk[skipped:], max(0, skipped - len(chunk))
            if passed:
                yield passed
            tally.go_on()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        with foreign_errors_told():
            return response.read1(self._throttle.chunk_bytes) if response.length else response.read()

    def _tell(self, tally: _Tally) -> None:
        """Small answers say little of the line, and there may be thousands: one in a hundred is told."""
        if tally.size_bytes >= TELLING_BYTES or self._answers % TELLING_ANSWERS == 0:
            self._measured(tally.size_bytes, request_s=tally.request_s, body_s=tally.body_s)
        self._answers += 1


class _Tally:
    """What one answer took, without the time that the device itself needed for the bytes."""

    def __init__(self, monotonic: Callable[[], float], began: float) -> None:
        self._monotonic = monotonic
        self._waiting_since = monotonic()
        self.request_s = self._waiting_since - began
        self.body_s = 0.0
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        self.body_s += self._monotonic() - self._waiting_since

    def go_on(self) -> None:
        self._waiting_since = self._monotonic()


def _next(url: SplitResult, location: str) -> SplitResult:
    """Where a redirect leads; raises HostileInput where a device will not follow it."""
    schemes = ("https",) if url.scheme == "https" else ("http", "https")
    with contextlib.suppress(ValueError):  # no address, or no port
        address = urlsplit(urljoin(url.geturl(), location))
        is_bare = address.username is None and address.port != 0
        is_plain = location.isascii() and 0 < len(location) <= MAX_ADDRESS_CHARS
        if address.scheme in schemes and address.hostname and is_bare and is_plain:
            return address
    raise HostileInput(f"the hub sends this device to '{location[:80]}' for a blob", field="location")


def _origin(url: SplitResult) -> tuple[str, str]:
    return url.scheme, url.netloc
