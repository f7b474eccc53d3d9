"""Blobs by the nginx in front of the hub: the hub decides who may, nginx sends the file (X-Accel-Redirect)."""

from __future__ import annotations

from edgewright.hub.registry.blobs import Blobs
from edgewright.hub.registry.serving.answer import HEADERS, Ask, BlobAnswer


class ByNginx:
    """Answers with the file's place below `location`, an `internal` location of nginx over the hub's blobs.

    Ranges are nginx's own work: it reads the request's headers again.
    """

    def __init__(self, blobs: Blobs, location: str) -> None:
        self._blobs = blobs
        self._location = location.rstrip("/")

    def answer(self, sha256: str, _ask: Ask) -> BlobAnswer:
        """Where nginx finds the file; no bytes."""
        place = self._blobs.path(sha256)
        inside = f"{self._location}/{place.parent.name}/{place.name}"
        return BlobAnswer(200, (*HEADERS, ("x-accel-redirect", inside)))

    def forget(self, sha256: str) -> None:
        """There are no copies."""

    def close(self) -> None:
        """There is nothing to let go of."""
