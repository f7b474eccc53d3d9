"""A cache on the device's own site: asked first, believed in nothing, and left alone for a while when it is no use."""

from __future__ import annotations

import contextlib
import http.client
import math
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

from edgewright.agent.link.blobs import BlobLine
from edgewright.agent.link.deadline import Patience
from edgewright.agent.link.hub import MAX_REPLY_BYTES, foreign_errors_told
from edgewright.agent.link.streams import Streams, check_body
from edgewright.agent.link.throttle import Throttle
from edgewright.agent.system import logs
from edgewright.contract.errors import EdgewrightError, NotFound, Unreachable, UsageError

AVOIDED_S = 600.0


class NearFirst:
    """Blobs of the cache at `url`; of the hub where the cache has none, sends others, is slow or away."""

    def __init__(self, url: str, hub: BlobLine, *, throttle: Throttle, patience: Patience) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"'{url}' is not the address of a cache", field="cache", hint="It begins http://.")
        self._url = parts
        self._hub = hub
        self._monotonic = patience.monotonic
        self._streams = Streams(throttle, patience)
        self._is_near = False  # whether the last body, or a part of it, was the cache's
        self._avoided_until = -math.inf

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on; raises what the hub's line raises."""
        with contextlib.closing(self._chunks(sha256, offset)) as chunks:
            yield chunks

    def disown(self, sha256: str) -> bool:
        """Wrong bytes of the cache's, or too many or too few: the hub is asked next."""
        was_near, self._is_near = self._is_near, False
        if was_near:
            self._avoid("what it sent is not the blob")
        return was_near or self._hub.disown(sha256)

    def _chunks(self, sha256: str, offset: int) -> Generator[bytes, None, None]:
        self._is_near = False
        if self._monotonic() >= self._avoided_until:
            try:
                for chunk in self._near(sha256, offset):
                    self._is_near = True
                    offset += len(chunk)
                    yield chunk
                self._is_near = True  # also where it had nothing to say
                return
            except NotFound:
                pass
            except EdgewrightError as error:
                self._avoid(error.message)
        with self._hub.body(sha256, offset) as chunks:
            yield from chunks

    def _near(self, sha256: str, offset: int) -> Iterator[bytes]:
        url = self._url._replace(path=f"{self._url.path.rstrip('/')}/blobs/{sha256}")
        began = self._monotonic()
        response = self._streams.ask(url, {"Range": f"bytes={offset}-"} if offset else {})
        try:
            if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
                with foreign_errors_told():
                    response.read(MAX_REPLY_BYTES)
                kind = NotFound if response.status == http.client.NOT_FOUND else Unreachable
                raise kind(f"the site's cache answers with status {response.status}")
            check_body(response, offset)
            skipped = offset if response.status == http.client.OK else 0
            yield from self._streams.chunks(response, skipped, self._streams.tally(began))
        finally:
            self._streams.leave(response)

    def _avoid(self, why: str) -> None:
        logs.warn("the site's cache is left alone for a while", reason=why, seconds=AVOIDED_S)
        self._avoided_until = self._monotonic() + AVOIDED_S
