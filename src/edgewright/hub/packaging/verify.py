"""Checks a release from the bytes up: manifests, files, the chain of signed roles, signatures and approvals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from edgewright.contract import manifest as manifests
from edgewright.contract.api import CheckLine, PackageRecord, ReleaseRecord, ReleaseState, VerifyReport
from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.manifest import Manifest
from edgewright.contract.trusted import TrustedSet, role_of
from edgewright.hub.packaging.model import release_digest
from edgewright.hub.packaging.repository import Repository
from edgewright.hub.packaging.signatures import SignedPayload
from edgewright.hub.registry import Blobs

CHUNK_BYTES = 1 << 20


def verify_release(
    record: ReleaseRecord,
    pieces: list[SignedPayload],
    blobs: Blobs,
    repository: Repository,
    now: datetime,
    also: Iterable[CheckLine],
) -> VerifyReport:
    """One line for each thing that must hold; a line that cannot be checked does not hold. `also` comes last."""
    lines = [_digest_line(record), _state_line(record)]
    for package in record.packages:
        lines += _package_lines(record, package, blobs)
    lines += _signature_lines(pieces, repository, is_out=record.state is not ReleaseState.DRAFT)
    lines.append(_approval_line(record))
    if record.state is not ReleaseState.DRAFT:
        lines += _chain_lines(record, blobs, repository, now)
    lines += also
    return VerifyReport(subject=record.id, holds=all(line.holds for line in lines), checks=tuple(lines))


def _digest_line(record: ReleaseRecord) -> CheckLine:
    packages = {package.target: package.manifest_sha256 for package in record.packages}
    seen = release_digest(record.model, record.version, record.counter, packages)
    return CheckLine(what="the digest covers these packages", holds=seen == record.digest, detail=seen)


def _state_line(record: ReleaseRecord) -> CheckLine:
    holds = record.state is not ReleaseState.BAD
    return CheckLine(what="the release was not found bad", holds=holds, detail=record.bad_reason or str(record.state))


def _package_lines(record: ReleaseRecord, package: PackageRecord, blobs: Blobs) -> list[CheckLine]:
    what = f"manifest of {package.target}"
    try:
        manifest = _manifest(record, package, blobs)
    except EdgewrightError as error:
        return [CheckLine(what=what, holds=False, detail=error.message)]
    lines = [CheckLine(what=what, holds=True, detail=package.manifest_sha256)]
    for file in manifest.files:
        seen, length = _hash(blobs, file.sha256)
        holds = (seen, length) == (file.sha256, file.size_bytes)
        lines.append(CheckLine(what=f"{file.name} of {package.target}", holds=holds, detail=seen or "missing"))
    return lines


def _manifest(record: ReleaseRecord, package: PackageRecord, blobs: Blobs) -> Manifest:
    data = blobs.path(package.manifest_sha256).read_bytes()
    if manifests.digest(data) != package.manifest_sha256:
        raise HostileInput("its bytes have another digest")
    manifest = manifests.decode(data)
    named = (manifest.model, manifest.version, manifest.counter, manifest.target)
    if named != (record.model, record.version, record.counter, package.target):
        raise HostileInput(f"it is the manifest of {named}")
    return manifest


def _signature_lines(pieces: list[SignedPayload], repository: Repository, *, is_out: bool) -> list[CheckLine]:
    """Keys may have changed since a release went out: who signed it then is told here, who vouches now by the chain."""
    payloads = [piece.payload for piece in pieces]
    lines = []
    for piece in pieces:
        good = {
            draft.keyid
            for draft in piece.signatures
            if repository.holds(draft, payloads) or (is_out and repository.held_once(draft, piece.payload))
        }
        lines.append(
            CheckLine(
                what=f"{piece.payload.role} version {piece.payload.version} is signed",
                holds=len(good) >= piece.payload.threshold,
                detail=f"{len(good)} of {piece.payload.threshold} signatures",
            )
        )
    return lines or [CheckLine(what="the release is signed", holds=False, detail="nothing was drafted to sign")]


def _approval_line(record: ReleaseRecord) -> CheckLine:
    return CheckLine(
        what="people other than the author approved this digest",
        holds=len(record.approvals) >= record.approvals_needed,
        detail=f"{len(record.approvals)} of {record.approvals_needed}: {', '.join(record.approvals) or 'nobody'}",
    )


def _chain_lines(record: ReleaseRecord, blobs: Blobs, repository: Repository, now: datetime) -> list[CheckLine]:
    """What a device would say of the published metadata, from the first root on."""
    what = "root → timestamp → snapshot → targets → release role"
    try:
        trusted = repository.trusted(now, [role_of(record.model)])
    except EdgewrightError as error:
        return [CheckLine(what=what, holds=False, detail=error.message)]
    detail = f"signed, unexpired at {now:%Y-%m-%d %H:%M} UTC"
    return [
        CheckLine(what=what, holds=True, detail=detail),
        *(_target_line(package, trusted, blobs) for package in record.packages),
    ]


def _target_line(package: PackageRecord, trusted: TrustedSet, blobs: Blobs) -> CheckLine:
    what = f"the release role vouches for {package.path}"
    try:
        length, sha256 = trusted.target(package.path)
        holds = sha256 == package.manifest_sha256 and length == blobs.size(sha256)
        return CheckLine(what=what, holds=holds, detail=sha256)
    except EdgewrightError as error:
        return CheckLine(what=what, holds=False, detail=error.message)


def _hash(blobs: Blobs, sha256: str) -> tuple[str, int]:
    """Digest and length of what lies under that name; an empty digest where nothing does."""
    hasher, length = hashlib.sha256(), 0
    if not blobs.exists(sha256):
        return "", 0
    with blobs.path(sha256).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
            length += len(chunk)
    return hasher.hexdigest(), length
