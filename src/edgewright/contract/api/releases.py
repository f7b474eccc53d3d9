"""Releases, their signatures and approvals."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.manifest import Dependency


class ReleaseState(StrEnum):
    DRAFT = "draft"  # built; signatures or approvals are missing
    READY = "ready"  # signed and approved, published to devices' metadata
    BAD = "bad"  # a gate stopped it: never offered again


class ReleaseDraft(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    version: int
    note: str = ""
    needs: tuple[Dependency, ...] = ()  # other models that must serve on the device


class PackageRecord(msgspec.Struct, frozen=True, kw_only=True):
    target: str
    path: str  # TUF target path
    manifest_sha256: str
    size_bytes: int  # of all files
    recipe: tuple[str, ...]


class ReleaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The packages of one version under one counter; `id` is '<model>/<counter>'; `digest` is what is approved."""

    id: str
    model: str
    version: int
    counter: int
    digest: str
    state: ReleaseState
    packages: tuple[PackageRecord, ...]
    author: str
    approvals: tuple[str, ...]
    approvals_needed: int
    signatures: tuple[str, ...]  # key ids
    signatures_needed: int
    note: str
    created_at: float
    bad_reason: str = ""


class SigningPayload(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of TUF metadata that awaits an offline signature: the exact signed bytes."""

    role: str
    version: int
    signed: bytes
    keyids: tuple[str, ...]
    threshold: int


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    release: ReleaseRecord
    payloads: tuple[SigningPayload, ...]


class SignatureDraft(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    version: int
    keyid: str
    signature: str  # hexadecimal


class CheckLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a verification: what was checked, whether it holds, what was seen."""

    what: str
    holds: bool
    detail: str = ""


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    holds: bool
    checks: tuple[CheckLine, ...]
