"""Keeps the signatures that people make over the content of packages; the hub cannot make one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    CheckLine,
    ContentSignatureDraft,
    ContentSignatureRecord,
    PackageRecord,
    PublicKey,
    ReleaseRecord,
)
from edgewright.contract.errors import EdgewrightError, HostileInput, InvalidInput, NotFound
from edgewright.contract.model_signing import check_content
from edgewright.contract.publickey import to_key
from edgewright.hub.db import Database
from edgewright.hub.govern import Audit, Permission, Principal, require
from edgewright.hub.packaging.content import table
from edgewright.hub.registry import Blobs


class ContentSignatures:
    """One signature for each package and key; a second one of the same key replaces the first."""

    def __init__(self, db: Database, audit: Audit, clock: Callable[[], float], blobs: Blobs) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._blobs = blobs

    def add(
        self,
        principal: Principal,
        release: ReleaseRecord,
        drafts: Iterable[ContentSignatureDraft],
        *,
        dry_run: bool = False,
    ) -> list[ContentSignatureRecord]:
        """Keep signatures that verify, all or none. Raises NotFound, Forbidden, InvalidInput for one that does not."""
        require(principal, Permission.SIGN_RELEASES)
        checked = [(draft, self._check(release, draft)) for draft in drafts]
        if not dry_run:
            with self._db.write() as connection:
                for draft, package in checked:
                    self._keep(connection, package, draft)
                    facts = {"target": draft.target, "keyid": draft.key.keyid}
                    self._audit.record(connection, principal.name, "release.sign_content", release.id, **facts)
        return self.of(release)

    def of(self, release: ReleaseRecord) -> list[ContentSignatureRecord]:
        """The content signatures of a release's packages, by target."""
        targets = {package.manifest_sha256: package.target for package in release.packages}
        of = table.model_signature.c
        query = (
            sa.select(table.model_signature).where(of.manifest_sha256.in_(targets)).order_by(of.created_at, of.keyid)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        found = [
            ContentSignatureRecord(
                target=targets[row.manifest_sha256],
                manifest_sha256=row.manifest_sha256,
                sha256=row.sha256,
                key=msgspec.json.decode(row.public, type=PublicKey),
            )
            for row in rows
        ]
        return sorted(found, key=lambda one: one.target)

    def lines(self, release: ReleaseRecord) -> list[CheckLine]:
        """One line for each: whether it still is a signature of this package."""
        return [self._line(signature) for signature in self.of(release)]

    def _line(self, signature: ContentSignatureRecord) -> CheckLine:
        what, detail = f"OpenSSF model signature of {signature.target}", signature.key.keyid
        try:
            data, manifest = (
                self._blobs.path(name).read_bytes() for name in (signature.sha256, signature.manifest_sha256)
            )
            check_content(data, manifest, to_key(signature.key))
        except EdgewrightError as error:
            return CheckLine(what=what, holds=False, detail=error.message)
        return CheckLine(what=what, holds=True, detail=detail)

    def _check(self, release: ReleaseRecord, draft: ContentSignatureDraft) -> PackageRecord:
        package = next((one for one in release.packages if one.target == draft.target), None)
        if package is None:
            raise NotFound(f"release {release.id} has no package for '{draft.target[:60]}'", field="target")
        try:
            check_content(draft.signature, self._blobs.path(package.manifest_sha256).read_bytes(), to_key(draft.key))
        except HostileInput as error:
            raise InvalidInput(error.message, field="signature") from error
        return package

    def _keep(self, connection: sa.Connection, package: PackageRecord, draft: ContentSignatureDraft) -> None:
        key = {"manifest_sha256": package.manifest_sha256, "keyid": draft.key.keyid}
        where = [table.model_signature.c[column] == value for column, value in key.items()]
        connection.execute(sa.delete(table.model_signature).where(*where))
        row = {"sha256": self._blobs.put_bytes(draft.signature), "public": msgspec.json.encode(draft.key).decode()}
        connection.execute(sa.insert(table.model_signature).values(**key, **row, created_at=self._clock()))
