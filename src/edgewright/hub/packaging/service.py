"""Packaging: builds releases, gathers signatures and approvals, publishes, and plans how bytes reach a device."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from securesystemslib.signer import Signer

from edgewright.contract import manifest as manifests
from edgewright.contract.api import (
    PackageRecord,
    ReleaseDraft,
    ReleaseRecord,
    ReleaseState,
    SignatureDraft,
    SigningRequest,
    VerifyReport,
)
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.envelope import seal
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Permission, Principal, require
from edgewright.hub.optimize.targets import Target
from edgewright.hub.packaging import records
from edgewright.hub.packaging.chain import Chain
from edgewright.hub.packaging.content import ContentSignatures
from edgewright.hub.packaging.manifests import build_manifest
from edgewright.hub.packaging.model import (
    NoVariants,
    OwnApproval,
    StaleSignature,
    check_approver,
    check_needs,
    check_open,
    is_ready,
    release_digest,
    target_path,
)
from edgewright.hub.packaging.repository import Repository
from edgewright.hub.packaging.signatures import SignedPayload
from edgewright.hub.packaging.verify import verify_release
from edgewright.hub.registry import Blobs, Registry


class Packaging:
    """Releases from build to publication. `targets` looks a target up by its id (raises UnknownTarget).

    `data_policy` is what a model's packages say of the data that their devices see.
    """

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        registry: Registry,
        blobs: Blobs,
        targets: Callable[[str], Target],
        repository: Repository,
        director: Signer,
        chain: Chain,
        content: ContentSignatures,
        approvals_needed: int = 1,
        data_policy: Callable[[str], DataPolicy | msgspec.UnsetType] = lambda model: msgspec.UNSET,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._registry = registry
        self._blobs = blobs
        self._targets = targets
        self._repository = repository
        self._director = director
        self._chain = chain
        self._content = content
        self._approvals_needed = approvals_needed
        self._data_policy = data_policy

    def build(self, principal: Principal, draft: ReleaseDraft, *, dry_run: bool = False) -> ReleaseRecord:
        """Make a package of every variant that keeps parity with its version, under the model's next counter.

        Raises UnknownVersion, NoVariants, Forbidden; UnknownModel and InvalidInput for what it needs. With `dry_run`
        nothing is kept.
        """
        require(principal, Permission.BUILD_RELEASES)
        check_needs(draft)
        for needed in draft.needs:
            self._registry.model(needed.model)
        version = self._registry.version(draft.model, draft.version)
        variants = [item for item in self._registry.variants(draft.model, draft.version) if item.is_parity_kept]
        if not variants:
            message = f"version {draft.version} of '{draft.model}' has no variants that keep parity with it"
            raise NoVariants(message, field="version")
        targets = {variant.target: self._targets(variant.target) for variant in variants}
        now, policy = self._clock(), self._data_policy(draft.model)
        with self._db.read() if dry_run else self._db.write() as connection:
            counter = records.next_counter(connection, draft.model)
            built = {
                variant.target: build_manifest(
                    version, variant, targets[variant.target], counter, self._blobs.size, draft.needs, policy
                )
                for variant in variants
            }
            record = self._new_record(draft, counter, principal.name, now, built)
            if not dry_run:
                self._keep(connection, record, built)
        return record

    def signing(self, model: str, counter: int) -> SigningRequest:
        """What awaits the offline keys: the exact bytes. Raises UnknownRelease, ReleaseIsBad."""
        with self._db.write() as connection:
            record = records.read(connection, model, counter, self._approvals_needed)
            check_open(record.id, record.state)
            pieces = self._current_pieces(connection, record)
            record = records.read(connection, model, counter, self._approvals_needed)
        return SigningRequest(release=record, payloads=tuple(piece.payload for piece in pieces))

    def add_signatures(
        self, principal: Principal, model: str, counter: int, drafts: list[SignatureDraft], *, dry_run: bool = False
    ) -> ReleaseRecord:
        """Keep signatures that hold, and publish if that was all that was missing; a dry run only looks at them.

        Raises InvalidInput for one that does not hold or for none, StaleSignature for one over superseded metadata.
        """
        require(principal, Permission.SIGN_RELEASES)
        if not drafts:
            raise InvalidInput("there is no signature", field="signatures")
        if dry_run:
            return self._look_at_signatures(model, counter, drafts)
        with self._db.write() as connection:
            record = records.read(connection, model, counter, self._approvals_needed)
            check_open(record.id, record.state)
            pieces = self._current_pieces(connection, record)
            for draft in drafts:
                self._check_signature(draft, pieces)
                records.add_signature(connection, model, counter, draft)
                self._audit.record(
                    connection, principal.name, "release.sign", record.id, role=draft.role, keyid=draft.keyid
                )
            self._events.record(connection, "packaging.release_signed", record.id, signatures=len(drafts))
            return self._settle(connection, model, counter)

    def approve(self, principal: Principal, model: str, counter: int, *, dry_run: bool = False) -> ReleaseRecord:
        """Stand for this very digest, and publish if that was all that was missing.

        Raises OwnApproval for the author (which is kept in the audit log too), Forbidden, ReleaseIsBad. With
        `dry_run` nothing is kept but such a refusal.
        """
        with self._db.write() as connection:
            record = records.read(connection, model, counter, self._approvals_needed)
            check_open(record.id, record.state)
            refusal = _refusal(record, principal)
            if refusal is not None:
                self._audit.record(
                    connection, principal.name, "release.approve_refused", record.id, reason=refusal.code
                )
            else:
                require(principal, Permission.APPROVE_RELEASES)
            if refusal is None and not dry_run:
                records.approve(connection, record, principal.name, self._clock())
                self._audit.record(connection, principal.name, "release.approve", record.id, digest=record.digest)
                self._events.record(connection, "packaging.release_approved", record.id, user=principal.name)
                record = self._settle(connection, model, counter)
        if refusal is not None:
            raise refusal
        return record

    def mark_bad(self, connection: sa.Connection, model: str, counter: int, reason: str, *, actor: str = "hub") -> None:
        """Never offer this release again; a second time changes nothing."""
        record = records.read(connection, model, counter, self._approvals_needed)
        if record.state is ReleaseState.BAD:
            return
        records.set_state(connection, record, ReleaseState.BAD, reason)
        self._audit.record(connection, actor, "release.mark_bad", record.id, reason=reason)
        facts = {"model": model, "counter": counter, "version": record.version}
        self._events.record(connection, "packaging.release_bad", record.id, **facts, reason=reason)

    def releases(self, model: str = "") -> list[ReleaseRecord]:
        """The newest first."""
        with self._db.read() as connection:
            return records.read_all(connection, model, self._approvals_needed)

    def release(self, model: str, counter: int) -> ReleaseRecord:
        """One release; raises UnknownRelease."""
        with self._db.read() as connection:
            return records.read(connection, model, counter, self._approvals_needed)

    def manifest(self, sha256: str) -> Manifest:
        """The manifest of that digest; raises UnknownBlob."""
        return manifests.decode(self._blobs.path(sha256).read_bytes())

    def verify(self, model: str, counter: int) -> VerifyReport:
        """Check everything again that makes the release what it says, as a device and an auditor would."""
        with self._db.read() as connection:
            record = records.read(connection, model, counter, self._approvals_needed)
            pieces = records.payloads(connection, model, counter)
        also = (*self._content.lines(record), *self._chain.report(record).checks)
        return verify_release(record, pieces, self._blobs, self._repository, self._now(), also)

    def sign_order(self, order: Order, payload_type: str = PAYLOAD_TYPE) -> bytes:
        """The order in the director's sealed envelope; the type says how it travels."""
        return self.seal_order(msgspec.json.encode(order, order="deterministic"), payload_type)

    def seal_order(self, encoded: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
        """As `sign_order`, for an order's own encoding."""
        return seal(encoded, payload_type, self._director)

    def tuf_file(self, name: str) -> bytes:
        """A published metadata file; raises NotFound."""
        return self._repository.file(name)

    def root_bytes(self) -> bytes:
        """The newest root of trust; raises NoRoot before the ceremony."""
        return self._repository.root_bytes()

    def renew(self) -> bool:
        """Sign timestamp and snapshot anew if that is due: called at every start and every few hours.

        Before the ceremony there is nothing to sign, and False is returned.
        """
        with self._db.write():  # where several hubs have this folder, one of them signs
            return self._repository.renew(self._now())

    def _new_record(
        self, draft: ReleaseDraft, counter: int, author: str, now: float, built: dict[str, Manifest]
    ) -> ReleaseRecord:
        packages = tuple(_package(manifest) for _, manifest in sorted(built.items()))
        digests = {package.target: package.manifest_sha256 for package in packages}
        return ReleaseRecord(
            id=f"{draft.model}/{counter}",
            model=draft.model,
            version=draft.version,
            counter=counter,
            digest=release_digest(draft.model, draft.version, counter, digests),
            state=ReleaseState.DRAFT,
            packages=packages,
            author=author,
            approvals=(),
            approvals_needed=self._approvals_needed,
            signatures=(),
            signatures_needed=0,
            note=draft.note,
            created_at=now,
        )

    def _keep(self, connection: sa.Connection, record: ReleaseRecord, built: dict[str, Manifest]) -> None:
        encoded = {target: manifests.encode(manifest) for target, manifest in built.items()}
        for data in encoded.values():
            self._blobs.put_bytes(data)
        records.insert(connection, record, {target: (built[target], len(encoded[target])) for target in built})
        self._chain.note(connection, record, built)
        self._redraft(connection, record)
        self._audit.record(connection, record.author, "release.build", record.id, digest=record.digest)
        facts = {"model": record.model, "counter": record.counter, "version": record.version}
        self._events.record(connection, "packaging.release_built", record.id, **facts)

    def _current_pieces(self, connection: sa.Connection, record: ReleaseRecord) -> list[SignedPayload]:
        """What is to be signed, drafted again if another release has been published in between."""
        pieces = records.payloads(connection, record.model, record.counter)
        is_stale = not pieces or not self._repository.is_release_current([piece.payload for piece in pieces])
        if record.state is ReleaseState.DRAFT and is_stale:
            self._redraft(connection, record)
            pieces = records.payloads(connection, record.model, record.counter)
        return pieces

    def _redraft(self, connection: sa.Connection, record: ReleaseRecord) -> None:
        wanted = {
            package.path: (self._blobs.size(package.manifest_sha256), package.manifest_sha256)
            for package in record.packages
        }
        payloads = self._repository.draft(record.model, wanted, self._now())
        records.replace_payloads(connection, record.model, record.counter, payloads)

    def _check_signature(self, draft: SignatureDraft, pieces: list[SignedPayload]) -> None:
        payload = next((piece.payload for piece in pieces if piece.payload.role == draft.role), None)
        if payload is None:
            raise InvalidInput(f"this release needs no signature of the role '{draft.role}'", field="role")
        if payload.version != draft.version:
            raise StaleSignature(f"{draft.role} is at version {payload.version}, not {draft.version}", field="version")
        if not self._repository.holds(draft, [piece.payload for piece in pieces]):
            raise InvalidInput(f"the signature of key {draft.keyid[:12]} does not hold", field="signature")

    def _look_at_signatures(self, model: str, counter: int, drafts: list[SignatureDraft]) -> ReleaseRecord:
        with self._db.read() as connection:
            record = records.read(connection, model, counter, self._approvals_needed)
            check_open(record.id, record.state)
            pieces = records.payloads(connection, model, counter)
        for draft in drafts:
            self._check_signature(draft, pieces)
        return record

    def _settle(self, connection: sa.Connection, model: str, counter: int) -> ReleaseRecord:
        """Publish a draft that has all that it needs."""
        record = records.read(connection, model, counter, self._approvals_needed)
        if record.state is not ReleaseState.DRAFT:
            return record
        pieces = self._current_pieces(connection, record)
        if is_ready(records.signings(pieces), len(record.approvals), record.approvals_needed):
            self._repository.publish(pieces, self._now())
            records.set_state(connection, record, ReleaseState.READY)
            self._audit.record(connection, "hub", "release.publish", record.id, digest=record.digest)
            facts = {"model": model, "counter": counter, "version": record.version}
            self._events.record(connection, "packaging.release_ready", record.id, **facts)
        return records.read(connection, model, counter, self._approvals_needed)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _package(manifest: Manifest) -> PackageRecord:
    return PackageRecord(
        target=manifest.target,
        path=target_path(manifest.model, manifest.counter, manifest.target),
        manifest_sha256=manifests.digest(manifests.encode(manifest)),
        size_bytes=sum(file.size_bytes for file in manifest.files),
        recipe=manifest.recipe,
    )


def _refusal(record: ReleaseRecord, principal: Principal) -> OwnApproval | None:
    try:
        check_approver(record.id, record.author, principal.name)
    except OwnApproval as error:
        return error
    return None
