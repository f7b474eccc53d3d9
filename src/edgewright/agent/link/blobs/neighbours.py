"""Neighbours on the device's own site: asked before the hub, the fastest first, and believed in nothing."""

from __future__ import annotations

import contextlib
import http.client
import math
from collections.abc import Generator, Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from edgewright.agent.link.blobs.line import BlobLine
from edgewright.agent.link.blobs.streams import Streams, Tally, check_body
from edgewright.agent.link.blobs.throttle import Throttle
from edgewright.agent.link.hub import MAX_REPLY_BYTES
from edgewright.agent.link.line import Patience, foreign_errors_told, retry_after_s
from edgewright.agent.system import logs
from edgewright.contract.errors import EdgewrightError, NotFound, Unreachable, UsageError

AVOIDED_S = 600.0
MAX_MISSES = 8
KEEP = 0.7
MIN_MEASURED_BYTES = 16 * 1024


class NearFirst:
    """Blobs of the caches and agents at `urls`; of the hub where none has them, or they lie, are slow or away."""

    def __init__(self, urls: Sequence[str], hub: BlobLine, *, throttle: Throttle, patience: Patience) -> None:
        self._neighbours = [_Neighbour(url, throttle, patience) for url in urls]
        self._hub = hub
        self._monotonic = patience.monotonic
        self._nearest: _Neighbour | None = None  # whose the last body, or a part of it, was

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on; raises what the hub's line raises."""
        with contextlib.closing(self._chunks(sha256, offset)) as chunks:
            yield chunks

    def disown(self, sha256: str) -> bool:
        """Wrong bytes of a neighbour's, or too many or too few: somebody else is asked next."""
        nearest, self._nearest = self._nearest, None
        if nearest is not None:
            nearest.avoid("what it sent is not the blob", AVOIDED_S)
        return nearest is not None or self._hub.disown(sha256)

    def hang_up(self) -> None:
        """From another thread: break off what is coming, and ask for nothing more."""
        for neighbour in self._neighbours:
            neighbour.streams.hang_up()
        self._hub.hang_up()

    def _chunks(self, sha256: str, offset: int) -> Generator[bytes, None, None]:
        self._nearest = None
        now = self._monotonic()
        near = sorted((one for one in self._neighbours if now >= one.avoided_until), key=lambda one: -one.rate_bytes_s)
        for neighbour in near:
            try:
                for chunk in neighbour.body(sha256, offset):
                    self._nearest = neighbour
                    offset += len(chunk)
                    yield chunk
                self._nearest = neighbour  # also where it had nothing to say
                return
            except NotFound:
                neighbour.missed()
            except EdgewrightError as error:
                neighbour.avoid(error.message, AVOIDED_S)
        with self._hub.body(sha256, offset) as chunks:
            yield from chunks


class _Neighbour:
    """One of them. `rate_bytes_s` is as measured, infinite before that: each gets a chance to be measured."""

    def __init__(self, url: str, throttle: Throttle, patience: Patience) -> None:
        self.url = _address(url)
        self.streams = Streams(throttle, patience)
        self.rate_bytes_s = math.inf
        self.avoided_until = -math.inf
        self._monotonic = patience.monotonic
        self._misses = 0

    def body(self, sha256: str, offset: int) -> Iterator[bytes]:
        """A blob's bytes; raises NotFound where it has none, and Unreachable."""
        url = self.url._replace(path=f"{self.url.path.rstrip('/')}/blobs/{sha256}")
        began = self._monotonic()
        response = self.streams.ask(url, {"Range": f"bytes={offset}-"} if offset else {})
        tally = self.streams.tally(began)
        try:
            if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
                self._refused(response)
            check_body(response, offset)
            skipped = offset if response.status == http.client.OK else 0
            yield from self.streams.chunks(response, skipped, tally)
            self._misses = 0
        finally:
            self._measure(tally)
            self.streams.leave(response)

    def missed(self) -> None:
        """It has no such blob. Who never has any is not asked for every file of a package."""
        self._misses += 1
        if self._misses >= MAX_MISSES:
            self._misses = 0
            self.avoid("it has none of what was asked for", AVOIDED_S)

    def avoid(self, why: str, for_s: float) -> None:
        """Leave it alone for a while."""
        logs.warn("a neighbour is left alone for a while", url=self.url.geturl(), reason=why, seconds=for_s)
        self.avoided_until = self._monotonic() + for_s

    def _refused(self, response: http.client.HTTPResponse) -> None:
        with foreign_errors_told():
            response.read(MAX_REPLY_BYTES)
        if response.status == http.client.NOT_FOUND:
            raise NotFound("the neighbour has no such blob")
        if (busy_s := retry_after_s(response.headers)) > 0:
            self.avoid("it is busy", min(AVOIDED_S, busy_s))
            raise NotFound("the neighbour is busy")
        raise Unreachable(f"the neighbour answers with status {response.status}")

    def _measure(self, tally: Tally) -> None:
        if tally.size_bytes < MIN_MEASURED_BYTES:
            return
        measured = tally.size_bytes / max(tally.request_s + tally.body_s, 1e-6)
        is_first = math.isinf(self.rate_bytes_s)
        self.rate_bytes_s = measured if is_first else KEEP * self.rate_bytes_s + (1 - KEEP) * measured


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise UsageError(f"'{url}' is not the address of a cache", field="caches", hint="It begins http://.")
    return parts
