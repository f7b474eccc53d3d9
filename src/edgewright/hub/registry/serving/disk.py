"""Blobs from the hub's own disk, whole or in part."""

from __future__ import annotations

from edgewright.hub.registry.blobs import Blobs
from edgewright.hub.registry.serving.answer import HEADERS, Ask, BlobAnswer, etag
from edgewright.hub.registry.serving.ranges import NotSatisfiable, span_of


class FromDisk:
    """The default: nothing beside the hub is needed."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def answer(self, sha256: str, ask: Ask) -> BlobAnswer:
        """The bytes (200, 206), that the caller has them (304), or that there are none there (416)."""
        path = self._blobs.path(sha256)
        size_bytes = path.stat().st_size
        headers = (*HEADERS, ("etag", etag(sha256)))
        if etag(sha256) in ask.if_none_match:
            return BlobAnswer(304, headers)
        try:
            span = span_of(ask.range, size_bytes) if ask.if_range in ("", etag(sha256)) else None
        except NotSatisfiable:
            return BlobAnswer(416, (*headers, ("content-range", f"bytes */{size_bytes}")))
        if span is None:
            return BlobAnswer(200, headers, path, 0, size_bytes)
        ranged = ("content-range", span.content_range(size_bytes))
        return BlobAnswer(206, (*headers, ranged), path, span.start, span.length)

    def forget(self, sha256: str) -> None:
        """There are no copies."""

    def close(self) -> None:
        """There is nothing to let go of."""
