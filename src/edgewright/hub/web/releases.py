"""Doors to releases: build, signatures, approvals, verification."""

from __future__ import annotations

from litestar import get, post

from edgewright.contract.api import ReleaseDraft, ReleaseRecord, SignatureDraft, SigningRequest, VerifyReport
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require


@post("/releases", sync_to_thread=True)
def build(data: ReleaseDraft, hub: Hub, principal: Principal, dry_run: bool = False) -> ReleaseRecord:
    """Build the packages of a version."""
    require(principal, Permission.BUILD_RELEASES)
    return hub.packaging.build(principal, data, dry_run=dry_run)


@get("/releases", sync_to_thread=True)
def releases(hub: Hub, principal: Principal, model: str = "") -> list[ReleaseRecord]:
    """Releases, oldest first."""
    require(principal, Permission.READ)
    return hub.packaging.releases(model)


@get("/releases/{model:str}/{counter:int}", sync_to_thread=True)
def release(model: str, counter: int, hub: Hub, principal: Principal) -> ReleaseRecord:
    """One release."""
    require(principal, Permission.READ)
    return hub.packaging.release(model, counter)


@get("/releases/{model:str}/{counter:int}/signing", sync_to_thread=True)
def signing(model: str, counter: int, hub: Hub, principal: Principal) -> SigningRequest:
    """What awaits offline signatures, byte for byte."""
    require(principal, Permission.SIGN_RELEASES)
    return hub.packaging.signing(model, counter)


@post("/releases/{model:str}/{counter:int}/signatures", status_code=200, sync_to_thread=True)
def add_signatures(
    model: str, counter: int, data: list[SignatureDraft], hub: Hub, principal: Principal
) -> ReleaseRecord:
    """Hand in signatures made on the operator's machine."""
    require(principal, Permission.SIGN_RELEASES)
    return hub.packaging.add_signatures(principal, model, counter, data)


@post("/releases/{model:str}/{counter:int}/approve", status_code=200, sync_to_thread=True)
def approve(model: str, counter: int, hub: Hub, principal: Principal, dry_run: bool = False) -> ReleaseRecord:
    """Approve the release as it is; its author may not."""
    require(principal, Permission.APPROVE_RELEASES)
    return hub.packaging.approve(principal, model, counter, dry_run=dry_run)


@get("/releases/{model:str}/{counter:int}/verify", sync_to_thread=True)
def verify(model: str, counter: int, hub: Hub, principal: Principal) -> VerifyReport:
    """Check everything that a device would check, and the approvals."""
    require(principal, Permission.READ)
    return hub.packaging.verify(model, counter)


ROUTES = [build, releases, release, signing, add_signatures, approve, verify]
