"""How releases reach devices: the deltas that were made, or not, and why."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class DeltaState(StrEnum):
    QUEUED = "queued"  # devices need it, and a worker will try it
    MADE = "made"
    USELESS = "not worth it"  # a full download is about as good
    FAILED = "failed"
    SKIPPED = "skipped"  # no budget was left, of time or of disk
    EVICTED = "evicted"  # it was made, and gave way to deltas that are used


class DeltaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A delta from one file to another, seen from two releases that have them.

    `devices` ran the base when the delta was last asked for. `size_bytes` is the delta's length, also where it was
    not worth keeping, and 0 where none was made; a full download has `full_bytes`.
    """

    base: str  # the release: '<model>/<counter>'
    target: str
    file: str
    base_sha256: str
    result_sha256: str
    devices: int
    state: DeltaState
    reason: str
    size_bytes: int
    full_bytes: int
    cpu_s: float
    used_at: float  # when an order last named it; 0: never
