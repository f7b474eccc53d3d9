"""Blobs from an S3 bucket: whoever asks is sent there with a signed address that soon ends.

The hub's own disk stays the place where blobs are; the bucket holds copies of those that were asked for. The first
request for a blob is answered from the disk and has it copied: a bucket that is away, slow or emptied delays nothing.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from edgewright.contract.errors import InvalidInput
from edgewright.hub.registry.blobs import Blobs
from edgewright.hub.registry.serving.answer import Ask, BlobAnswer
from edgewright.hub.registry.serving.disk import FromDisk

if TYPE_CHECKING:
    from obstore.store import S3Config

log = structlog.get_logger()

BELIEVED_S = 3600.0
MAX_WAITING = 10_000


def open_bucket(url: str, endpoint: str = "", region: str = "") -> S3Store:
    """The bucket at 's3://BUCKET/PREFIX'; `endpoint` for stores other than Amazon's. Keys come from AWS_* variables."""
    if not url.startswith("s3://") or not url.removeprefix("s3://").strip("/"):
        raise InvalidInput(f"'{url}' is no bucket", field="s3_url", hint="Write it as s3://BUCKET/PREFIX.")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    config: S3Config = {}
    if endpoint:
        config["endpoint"] = endpoint
    if region:
        config["region"] = region
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={"allow_http": endpoint.startswith("http://")},
    )


class Mirror:
    """Copies blobs to the bucket, one after the other, and knows which are there."""

    def __init__(self, blobs: Blobs, bucket: S3Store, monotonic: Callable[[], float]) -> None:
        self._blobs = blobs
        self._bucket = bucket
        self._monotonic = monotonic
        self._seen_at: dict[str, float] = {}
        self._waiting: queue.Queue[str] = queue.Queue(MAX_WAITING)
        self._asked: set[str] = set()
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()

    def has(self, sha256: str) -> bool:
        """Whether the blob was seen in the bucket within the last hour; if not, it is copied in the background."""
        seen_at = self._seen_at.get(sha256)
        if seen_at is not None and self._monotonic() - seen_at < BELIEVED_S:
            return True
        self._ask_for(sha256)
        return False

    def copy(self, sha256: str) -> None:
        """Have the blob in the bucket; raises obstore's errors."""
        path = self._blobs.path(sha256)
        if not self._is_there(sha256, path.stat().st_size):
            obstore.put(self._bucket, sha256, path)
        self._seen_at[sha256] = self._monotonic()

    def forget(self, sha256: str) -> None:
        """Delete the copy; raises obstore's errors."""
        self._seen_at.pop(sha256, None)
        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self._bucket, sha256)

    def settle(self) -> None:
        """Wait until everything that was asked for has been tried."""
        self._waiting.join()

    def close(self) -> None:
        """Stop after the copy that is being made."""
        if self._worker is not None:
            self._waiting.put("")
            self._worker.join()

    def _ask_for(self, sha256: str) -> None:
        with self._lock:
            if sha256 in self._asked or self._waiting.full():
                return
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="mirror", daemon=True)
                self._worker.start()
            self._asked.add(sha256)
            self._waiting.put(sha256)

    def _work(self) -> None:
        while sha256 := self._waiting.get():
            try:
                self.copy(sha256)
            except (BaseError, OSError) as error:
                log.warning("registry.mirror_failed", sha256=sha256, why=str(error)[:500])
            finally:
                self._asked.discard(sha256)
                self._waiting.task_done()

    def _is_there(self, sha256: str, size_bytes: int) -> bool:
        try:
            return obstore.head(self._bucket, sha256)["size"] == size_bytes
        except FileNotFoundError:
            return False


class FromS3:
    """Sends who asks to the bucket, once the blob is there; answers from the disk until then."""

    def __init__(self, blobs: Blobs, bucket: S3Store, *, link_s: float, monotonic: Callable[[], float]) -> None:
        self._blobs = blobs
        self._bucket = bucket
        self._link_s = link_s
        self._disk = FromDisk(blobs)
        self.mirror = Mirror(blobs, bucket, monotonic)

    def answer(self, sha256: str, ask: Ask) -> BlobAnswer:
        """307 to an address that is good for `link_s` seconds, or what the disk answers."""
        self._blobs.path(sha256)
        if ask.is_direct or not self.mirror.has(sha256):
            return self._disk.answer(sha256, ask)
        address = obstore.sign(self._bucket, "GET", sha256, timedelta(seconds=self._link_s))
        return BlobAnswer(307, (("location", address), ("cache-control", "no-store")))

    def forget(self, sha256: str) -> None:
        """Delete the bucket's copy; raises obstore's errors."""
        self.mirror.forget(sha256)

    def close(self) -> None:
        """Stop copying."""
        self.mirror.close()
