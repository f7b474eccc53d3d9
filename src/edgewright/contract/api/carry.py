"""Bundles: a release for devices that no network reaches."""

from __future__ import annotations

import msgspec

DEFAULT_TTL_S = 14 * 86_400.0


class CarryDraft(msgspec.Struct, frozen=True, kw_only=True):
    """`releases` ('model/counter') for `devices` by id, a `group`, or both; each gets what fits it, or `target`.

    What devices hold of the releases in `bases` is left out, and deltas on it are put in where the hub has them. The
    orders are good for `ttl_s` seconds.
    """

    releases: tuple[str, ...]
    devices: tuple[str, ...] = ()
    group: str = ""
    target: str = ""
    bases: tuple[str, ...] = ()
    ttl_s: float = DEFAULT_TTL_S


class CarryBlob(msgspec.Struct, frozen=True, kw_only=True):
    """One blob that belongs into the bundle."""

    sha256: str
    size_bytes: int


class CarryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All of a bundle but the blobs' bytes, which are fetched by digest. `skipped` says why a device
    gets nothing of a release."""

    releases: tuple[str, ...]
    orders: dict[str, bytes]
    metadata: dict[str, bytes]
    blobs: tuple[CarryBlob, ...]
    skipped: dict[str, str]
    expires_at: float

    @property
    def size_bytes(self) -> int:
        """Of all blobs."""
        return sum(blob.size_bytes for blob in self.blobs)
