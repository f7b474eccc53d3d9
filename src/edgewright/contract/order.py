"""The director's order: what one device shall run and do, signed for that device alone (after Uptane's director)."""

from __future__ import annotations

import msgspec

FORMAT = 2
PAYLOAD_TYPE = "application/vnd.edgewright.order+json"
MAX_ORDER_BYTES = 64 * 1024


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """A delta to fetch: the blob `sha256`, applied to the file `base_sha256`, makes the file `result_sha256`.

    `size_bytes` is the delta's length and `result_bytes` that of what it makes. The base is a file that the device
    holds, or the result of another fetch of the same install: a chain, whose last result the manifest names. A file
    of the manifest that no fetch leads to is fetched whole, by its own digest.
    """

    base_sha256: str
    result_sha256: str
    result_bytes: int
    sha256: str
    size_bytes: int


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """The shadow phase: the candidate answers copies of real requests, and must agree with the active model.

    The phase ends once `min_requests` were compared; it passes if the share of equal predicted classes is at
    least `min_agreement`. With too few requests within `max_wait_s` it passes on the golden test alone, and the
    report says so.
    """

    min_requests: int
    min_agreement: float
    max_wait_s: float


class Install(msgspec.Struct, frozen=True, kw_only=True):
    """Install one package: `target_path` is its path in the model's TUF role, which vouches for its digest."""

    deployment: str
    model: str
    version: int
    counter: int
    target_path: str
    manifest_sha256: str
    fetches: tuple[Fetch, ...]
    shadow: Shadow | None = None
    is_reoffer: bool = False  # somebody offers bytes again that this device has rejected


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """Give up the release of this counter: drop the candidate, or go back to the spare slot if it is active."""

    deployment: str
    model: str
    counter: int
    reason: str


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """Choose `budget` samples of what the model sees now and send them for labelling."""

    request: str
    model: str
    budget: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a device shall do. `issued_at` is seconds since the epoch; `nonce` is the device's own."""

    format: int = FORMAT
    device: str
    nonce: str
    issued_at: float
    ttl_s: float
    installs: tuple[Install, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    collects: tuple[Collect, ...] = ()
    poll_s: float | None = None


def etag(order: Order) -> str:
    """Names what an order asks for, apart from the moment and the nonce: equal tags mean nothing new."""
    from edgewright.contract.manifest import digest

    timeless = msgspec.structs.replace(order, nonce="", issued_at=0.0)
    return digest(msgspec.json.encode(timeless, order="deterministic"))[:32]
