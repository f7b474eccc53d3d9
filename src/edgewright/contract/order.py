"""The director's order: what one device shall run and do, signed for that device alone (after Uptane's director)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.contract.wire import Count, ModelName, Moment, Sha256, Share, SizeBytes, Text, Word

FORMAT = 3
PAYLOAD_TYPE = "application/vnd.edgewright.order+json"
MAX_ORDER_BYTES = 64 * 1024
MAX_MODELS = 64
MAX_TTL_S = MAX_WAIT_S = 31 * 86_400.0
MIN_POLL_S, MAX_POLL_S = 1.0, 86_400.0
MAX_REQUESTS = 1_000_000
MAX_BUDGET = 100_000
MAX_BENCHES = 8
MAX_CALLS = 10_000
MAX_WINDOWS = 16


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """A delta to fetch: the blob `sha256`, applied to the file `base_sha256`, makes the file `result_sha256`.

    `size_bytes` is the delta's length and `result_bytes` that of what it makes. The base is a file that the device
    holds, or the result of another fetch of the same install: a chain, whose last result the manifest names. A file
    of the manifest that no fetch leads to is fetched whole, by its own digest.
    """

    base_sha256: Sha256
    result_sha256: Sha256
    result_bytes: SizeBytes
    sha256: Sha256
    size_bytes: SizeBytes


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """The shadow phase: the candidate answers copies of real requests, and must agree with the active model.

    The phase ends once `min_requests` were compared; it passes if the share of equal predicted classes is at
    least `min_agreement`. With too few requests within `max_wait_s` it passes on the golden test alone, and the
    report says so.
    """

    min_requests: Annotated[int, msgspec.Meta(ge=0, le=MAX_REQUESTS)]
    min_agreement: Share
    max_wait_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_S)]


class Install(msgspec.Struct, frozen=True, kw_only=True):
    """Install one package: `target_path` is its path in the model's TUF role, which vouches for its digest."""

    deployment: Word
    model: ModelName
    version: Count
    counter: Count
    target_path: Word
    manifest_sha256: Sha256
    fetches: tuple[Fetch, ...]
    shadow: Shadow | None = None
    is_reoffer: bool = False  # somebody offers bytes again that this device has rejected
    windows: Annotated[tuple[Word, ...], msgspec.Meta(max_length=MAX_WINDOWS)] = ()
    """When it may take over, in the device's own time of the day (contract/windows.py); () for always."""
    begin_by: Moment | None = None  # until then a busy device may put it off; None: it may not
    lease_until: Moment | None = None
    """Neither tried nor taken over after this moment unless a later order says so again; None: it has no end.

    What the hub counts as under way at a site ends with it, also where the device is cut off.
    """


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """Give up the release of this counter: drop the candidate, or go back to the spare slot if it is active."""

    deployment: Word
    model: ModelName
    counter: Count
    reason: Text


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """Choose `budget` samples of what the model sees now and send them for labelling."""

    request: Word
    model: ModelName
    budget: Annotated[int, msgspec.Meta(ge=0, le=MAX_BUDGET)]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """Measure one package on this device, and install nothing; it is named, fetched and verified as by an Install.

    Its golden rows are answered in turn, `calls` of them. Not begun before `expires_at`, in seconds since the epoch,
    it is not begun at all.
    """

    request: Word
    model: ModelName
    version: Count
    counter: Count
    target_path: Word
    manifest_sha256: Sha256
    fetches: tuple[Fetch, ...]
    calls: Annotated[int, msgspec.Meta(ge=1, le=MAX_CALLS)]
    expires_at: Moment


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a device shall do. `issued_at` is seconds since the epoch; `nonce` is the device's own.

    Every field is bounded: who holds the director's key may not send a device to sleep for years, or out of its folder.
    """

    format: int = FORMAT
    device: Word
    nonce: Word
    issued_at: Moment
    ttl_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_TTL_S)]
    installs: Annotated[tuple[Install, ...], msgspec.Meta(max_length=MAX_MODELS)] = ()
    rollbacks: Annotated[tuple[Rollback, ...], msgspec.Meta(max_length=MAX_MODELS)] = ()
    collects: Annotated[tuple[Collect, ...], msgspec.Meta(max_length=MAX_MODELS)] = ()
    benches: Annotated[tuple[Bench, ...], msgspec.Meta(max_length=MAX_BENCHES)] = ()
    poll_s: Annotated[float, msgspec.Meta(ge=MIN_POLL_S, le=MAX_POLL_S)] | None = None


def etag(order: Order) -> str:
    """Names what an order asks for, apart from the moment and the nonce: equal tags mean nothing new."""
    from edgewright.contract.manifest import digest

    timeless = msgspec.structs.replace(order, nonce="", issued_at=0.0)
    return digest(msgspec.json.encode(timeless, order="deterministic"))[:32]
