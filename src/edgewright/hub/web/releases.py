"""Doors to releases: build, signatures, approvals, verification, provenance, deltas."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from edgewright.contract.api import (
    CarryDraft,
    CarryRecord,
    ContentSignatureDraft,
    ContentSignatureRecord,
    DeltaRecord,
    ProvenanceReport,
    ReleaseDraft,
    ReleaseRecord,
    SignatureDraft,
    SigningRequest,
    VerifyReport,
)
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@post("/releases", sync_to_thread=True)
def build(data: JSONBody[ReleaseDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> ReleaseRecord:
    """Build the packages of a version."""
    require(principal, Permission.BUILD_RELEASES)
    return hub.packaging.build(principal, data, dry_run=dry_run)


@get("/releases", sync_to_thread=True)
def releases(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[ReleaseRecord]:
    """Releases, newest first."""
    require(principal, Permission.READ)
    return hub.packaging.releases(model)


@get("/releases/{model:str}/{counter:int}", sync_to_thread=True)
def release(model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller) -> ReleaseRecord:
    """One release."""
    require(principal, Permission.READ)
    return hub.packaging.release(model, counter)


@get("/releases/{model:str}/{counter:int}/signing", sync_to_thread=True)
def signing(model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller) -> SigningRequest:
    """What awaits offline signatures, byte for byte."""
    require(principal, Permission.SIGN_RELEASES)
    return hub.packaging.signing(model, counter)


@post("/releases/{model:str}/{counter:int}/signatures", status_code=200, sync_to_thread=True)
def add_signatures(
    model: FromPath[str],
    counter: FromPath[int],
    data: JSONBody[list[SignatureDraft]],
    hub: TheHub,
    principal: Caller,
    dry_run: DryRun = False,
) -> ReleaseRecord:
    """Hand in signatures made on the operator's machine."""
    require(principal, Permission.SIGN_RELEASES)
    return hub.packaging.add_signatures(principal, model, counter, data, dry_run=dry_run)


@post("/releases/{model:str}/{counter:int}/approve", status_code=200, sync_to_thread=True)
def approve(
    model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> ReleaseRecord:
    """Approve the release as it is; its author may not."""
    require(principal, Permission.APPROVE_RELEASES)
    return hub.packaging.approve(principal, model, counter, dry_run=dry_run)


@get("/releases/{model:str}/{counter:int}/provenance", sync_to_thread=True)
def provenance(model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller) -> ProvenanceReport:
    """What was made of what, from data to package, and whether every link holds."""
    require(principal, Permission.READ)
    return hub.chain.report(hub.packaging.release(model, counter))


@get("/releases/{model:str}/{counter:int}/content-signatures", sync_to_thread=True)
def content_signatures(
    model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller
) -> list[ContentSignatureRecord]:
    """Signatures over the packages' content (OpenSSF Model Signing)."""
    require(principal, Permission.READ)
    return hub.content.of(hub.packaging.release(model, counter))


@post("/releases/{model:str}/{counter:int}/content-signatures", status_code=200, sync_to_thread=True)
def add_content_signatures(
    model: FromPath[str],
    counter: FromPath[int],
    data: JSONBody[list[ContentSignatureDraft]],
    hub: TheHub,
    principal: Caller,
    dry_run: DryRun = False,
) -> list[ContentSignatureRecord]:
    """Hand in content signatures made on the operator's machine."""
    require(principal, Permission.SIGN_RELEASES)
    return hub.content.add(principal, hub.packaging.release(model, counter), data, dry_run=dry_run)


@get("/releases/{model:str}/{counter:int}/verify", sync_to_thread=True)
def verify(model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller) -> VerifyReport:
    """Check everything that a device would check, and the approvals."""
    require(principal, Permission.READ)
    return hub.packaging.verify(model, counter)


@get("/releases/{model:str}/{counter:int}/deltas", sync_to_thread=True)
def deltas(model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller) -> list[DeltaRecord]:
    """The deltas to a release: from what, for how many devices, and what became of them."""
    require(principal, Permission.READ)
    return _deltas(hub, model, counter)


@post("/releases/{model:str}/{counter:int}/deltas/retry", status_code=200, sync_to_thread=True)
def retry_deltas(
    model: FromPath[str], counter: FromPath[int], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> list[DeltaRecord]:
    """Try again what failed or did not pay."""
    require(principal, Permission.ROLL_OUT)
    release = hub.packaging.release(model, counter)
    if not dry_run:
        hub.deltas.retry(release.model, release.counter, principal.name)
    return _deltas(hub, model, counter)


def _deltas(hub: Hub, model: str, counter: int) -> list[DeltaRecord]:
    hub.packaging.release(model, counter)
    return hub.deltas.of_release(model, counter, hub.fleet.running(model))


@post("/bundles", status_code=200, sync_to_thread=True)
def export_bundle(data: JSONBody[CarryDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> CarryRecord:
    """Orders and signed metadata to be carried to devices that no network reaches; the blobs are fetched by digest."""
    require(principal, Permission.ROLL_OUT)
    return hub.carried.export(principal, data, dry_run=dry_run)


ROUTES = [
    build,
    releases,
    release,
    signing,
    add_signatures,
    approve,
    verify,
    provenance,
    content_signatures,
    add_content_signatures,
    deltas,
    retry_deltas,
    export_bundle,
]
