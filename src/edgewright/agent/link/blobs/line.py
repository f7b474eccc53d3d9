"""The line that blobs come by: one kept connection, redirects to where the hub keeps them, at the allowed rate."""

from __future__ import annotations

import contextlib
import http.client
import math
from collections.abc import Callable, Iterator
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from edgewright.agent.link.blobs.streams import Streams, Tally, check_body, origin
from edgewright.agent.link.blobs.throttle import Throttle
from edgewright.agent.link.hub import DIRECT, MAX_REPLY_BYTES, Link
from edgewright.agent.link.line import Later, Patience, check_sender, foreign_errors_told, raise_for, raise_for_hub
from edgewright.contract.errors import HostileInput, Unreachable
from edgewright.contract.wire import MAX_BLOB_BYTES

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

    def __init__(
        self,
        link: Link,
        *,
        throttle: Throttle,
        patience: Patience,
        measured: Measured,
        hold: Callable[[], None] = lambda: None,
    ) -> None:
        """`hold` is asked before each chunk, and raises Later where the line is not to be used now."""
        self._link = link
        self._hold = hold
        self._monotonic = patience.monotonic
        self._measured = measured
        self._streams = Streams(throttle, patience)
        self._answers = 0
        self._is_outside = False  # whether the last answer came from where the hub sent us
        self._direct_until = -math.inf

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on. Raises Unreachable, NotFound, NotAllowed, HostileInput and Told."""
        self._hold()
        began = self._monotonic()
        try:
            response = self._link.in_session(lambda bearer: self._follow(self._url(sha256), bearer, offset))
            tally = self._streams.tally(began)
            try:
                skipped = offset if response.status == http.client.OK else 0
                yield self._held(self._streams.chunks(response, skipped, tally))
            finally:
                self._tell(tally)
                self._streams.leave(response)
        except Later:
            raise
        except Unreachable:
            self._blame_outside()
            raise

    def size_bytes(self, sha256: str) -> int:
        """The length of a blob, by the hub's own word; raises what `body` does."""
        return self._link.in_session(lambda bearer: self._head(self._url(sha256), bearer))

    def disown(self, _sha256: str) -> bool:
        """If a place that the hub had named sent other bytes, the hub itself is asked next."""
        return self._blame_outside()

    def hang_up(self) -> None:
        """From another thread: break off what is said to the hub and what comes from it, and ask for nothing more."""
        self._link.hang_up()
        self._streams.hang_up()

    def close(self) -> None:
        """Let go of the connections."""
        self._streams.close()

    def _held(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self._hold()

    def _url(self, sha256: str) -> SplitResult:
        return urlsplit(self._link.url(f"/blobs/{sha256}"))

    def _blame_outside(self) -> bool:
        """After a failure: whether it was another's than the hub's, who is asked to answer itself for a while."""
        was_outside, self._is_outside = self._is_outside, False
        if was_outside:
            self._direct_until = self._monotonic() + DIRECT_S
        return was_outside

    def _follow(self, url: SplitResult, bearer: dict[str, str], offset: int) -> http.client.HTTPResponse:
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        direct = DIRECT if self._monotonic() < self._direct_until else {}
        home = origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._is_outside = origin(url) != home
            response = self._streams.ask(url, ranged if self._is_outside else {**ranged, **direct, **bearer})
            if response.status not in REDIRECTS:
                return self._accept(response, offset)
            url = _next(url, response.getheader("Location", ""))
            with foreign_errors_told():
                response.read(MAX_REPLY_BYTES)
        raise Unreachable(f"the hub sends this device on more than {MAX_REDIRECTS} times for a blob")

    def _head(self, url: SplitResult, bearer: dict[str, str]) -> int:
        response = self._streams.ask(url, {**DIRECT, **bearer}, "HEAD")
        self._is_outside = False
        self._accept(response, 0, is_head=True)
        size = response.getheader("Content-Length", "")
        with foreign_errors_told():
            response.read()
        if not size.isdecimal() or int(size) > MAX_BLOB_BYTES:
            raise HostileInput(f"'{size[:30]}' is no length of a blob", field="content-length")
        return int(size)

    def _accept(
        self, response: http.client.HTTPResponse, offset: int, *, is_head: bool = False
    ) -> http.client.HTTPResponse:
        if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
            with foreign_errors_told():
                reply = response.read(MAX_REPLY_BYTES)
            self._streams.leave(response)
            if self._is_outside:  # what an outside store thinks of the request is not the hub's word about this device
                raise Unreachable(f"where the hub keeps its blobs, the answer is {response.status}")
            check_sender(response)
            said = raise_for if is_head else raise_for_hub  # an answer to HEAD has no body to tell its sender by
            said(response.status, reply, response.headers)
        check_body(response, offset)
        return response

    def _tell(self, tally: Tally) -> None:
        """Small answers say little of the line, and there may be thousands: one in a hundred is told."""
        if tally.size_bytes >= TELLING_BYTES or self._answers % TELLING_ANSWERS == 0:
            self._measured(tally.size_bytes, request_s=tally.request_s, body_s=tally.body_s)
        self._answers += 1


def _next(url: SplitResult, location: str) -> SplitResult:
    """Where a redirect leads; raises HostileInput where a device will not follow it."""
    schemes = ("https",) if url.scheme == "https" else ("http", "https")
    with contextlib.suppress(ValueError):  # no address, no port, or a name that no host can have
        address = urlsplit(urljoin(url.geturl(), location))
        is_bare = address.username is None and address.port != 0
        is_plain = location.isascii() and 0 < len(location) <= MAX_ADDRESS_CHARS
        if address.scheme in schemes and address.hostname and is_bare and is_plain:
            address.hostname.encode("idna")
            return address
    raise HostileInput(f"the hub sends this device to '{location[:80]}' for a blob", field="location")
