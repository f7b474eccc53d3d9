"""What others verify a release by: content signatures, provenance, and packages as folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgewright.client.transport import Transport
from edgewright.contract import manifest as manifests
from edgewright.contract.api import (
    ContentSignatureDraft,
    ContentSignatureRecord,
    PackageRecord,
    ProvenanceReport,
    ReleaseRecord,
)
from edgewright.contract.errors import HostileInput, InvalidInput, NotFound

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from edgewright.client.keys.ring import HeldKey
    from edgewright.contract.manifest import Manifest

KEY_ROLE = "model-signing"
PACKAGE, MANIFEST = "package", "manifest.json"
SIGNATURE, PUBLIC_KEY, STATEMENTS = "model.sig", "model-signing.pem", "provenance.intoto.jsonl"

OnBytes = Callable[[int, int], None]
"""Hears how many bytes of how many have come."""


class SignsContent(Protocol):
    """Whoever holds keys for model signing; `client.keys.OperatorKeys` does."""

    def held(self, role: str = "") -> Sequence[HeldKey]:
        """The keys of a role."""
        ...

    def signer(self, name: str) -> Signer:
        """What signs with the key of that name."""
        ...


class Content:
    """The content of a release's packages, as any tool may verify it."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def sign(self, release: ReleaseRecord, keys: SignsContent) -> tuple[ContentSignatureRecord, ...]:
        """Sign the content of every package (OpenSSF Model Signing) with each key for it, and hand them in.

        Only the digests in the manifest are signed, which `release` must name: check a signing request first. Without
        such a key nothing happens. Raises HostileInput where a manifest is not what the release says.
        """
        from edgewright.contract.model_signing import sign_content
        from edgewright.contract.publickey import to_public

        signers = [keys.signer(key.name) for key in keys.held(KEY_ROLE)]
        drafts = []
        for package in release.packages if signers else ():
            data = self._manifest(release, package)[1]
            drafts += [
                ContentSignatureDraft(
                    target=package.target, signature=sign_content(one, data), key=to_public(one.public_key)
                )
                for one in signers
            ]
        if not drafts:
            return ()
        parts = ("releases", release.model, release.counter, "content-signatures")
        return self._hub.post(*parts, body=drafts, into=tuple[ContentSignatureRecord, ...])

    def signatures(self, model: str, counter: int) -> tuple[ContentSignatureRecord, ...]:
        """The content signatures of a release's packages."""
        return self._hub.get("releases", model, counter, "content-signatures", into=tuple[ContentSignatureRecord, ...])

    def provenance(self, model: str, counter: int) -> ProvenanceReport:
        """From data to package: what was made of what, and whether every link holds."""
        return self._hub.get("releases", model, counter, "provenance", into=ProvenanceReport)

    def statements(self, report: ProvenanceReport) -> list[bytes]:
        """The sealed statements of a report: DSSE envelopes in JSON, one line each."""
        return [self._hub.get_blob(one.sha256) for one in report.statements]

    def export(
        self,
        release: ReleaseRecord,
        target: str,
        folder: Path,
        told: OnBytes | None = None,
        *,
        dry_run: bool = False,
    ) -> Manifest:
        """Write a package, its content signature and provenance to `folder` (new or empty), all or nothing.

        `folder`/package holds the files and manifest.json, beside it lie model.sig and model-signing.pem (if the
        content is signed) and provenance.intoto.jsonl. Every file is checked against the manifest. Raises
        InvalidInput, NotFound, HostileInput.
        """
        package = next((one for one in release.packages if one.target == target), None)
        if package is None:
            known = ", ".join(one.target for one in release.packages)
            raise NotFound(
                f"release {release.id} has no package for '{target}'", field="target", hint=f"It has: {known}."
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder} is there already, and not empty", field="folder")
        manifest, data = self._manifest(release, package)
        if not dry_run:
            self._write(release, package, manifest, data, folder, told)
        return manifest

    def _write(
        self,
        release: ReleaseRecord,
        package: PackageRecord,
        manifest: Manifest,
        data: bytes,
        folder: Path,
        told: OnBytes | None,
    ) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            self._write_package(manifest, data, draft / PACKAGE, told)
            for signature in self.signatures(release.model, release.counter):
                if signature.target == package.target and not (draft / SIGNATURE).exists():
                    (draft / SIGNATURE).write_bytes(self._hub.get_blob(signature.sha256))
                    (draft / PUBLIC_KEY).write_text(signature.key.public)
            report = self.provenance(release.model, release.counter)
            (draft / STATEMENTS).write_bytes(b"".join(one + b"\n" for one in self.statements(report)))
            draft.chmod(0o755)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write_package(self, manifest: Manifest, data: bytes, folder: Path, told: OnBytes | None) -> None:
        folder.mkdir()
        (folder / MANIFEST).write_bytes(data)
        come = 0
        for file in manifest.files:
            self._hub.save_blob(file.sha256, file.size_bytes, folder / file.name)
            come += file.size_bytes
            if told is not None:
                told(come, manifest.size_bytes)

    def _manifest(self, release: ReleaseRecord, package: PackageRecord) -> tuple[Manifest, bytes]:
        data = self._hub.get_blob(package.manifest_sha256)
        manifest = manifests.decode(data)
        named = (manifest.model, manifest.version, manifest.counter, manifest.target)
        if named != (release.model, release.version, release.counter, package.target):
            raise HostileInput(f"the hub sent the manifest of {named} for {package.path}", field="manifest")
        return manifest, data
