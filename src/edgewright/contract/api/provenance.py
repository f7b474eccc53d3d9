"""Where a release comes from, and what others need to verify it: statements and content signatures."""

from __future__ import annotations

import msgspec

from edgewright.contract.api.keys import PublicKey
from edgewright.contract.api.releases import CheckLine


class StatementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One sealed statement: what was done to make `name`. `sha256` names the blob with the DSSE envelope."""

    kind: str  # training, optimisation, packaging
    name: str
    subject_sha256: str
    sha256: str
    made_of: dict[str, str]  # SHA-256 by name
    builder: str
    run: str
    finished_on: str


class ProvenanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """From data to package: the statements, and whether each link holds."""

    subject: str
    holds: bool
    statements: tuple[StatementRecord, ...]
    checks: tuple[CheckLine, ...]


class ContentSignatureDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A Sigstore bundle (OpenSSF Model Signing) over the package for `target`, and the key that it verifies with."""

    target: str
    signature: bytes
    key: PublicKey


class ContentSignatureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A content signature that was handed in: `sha256` names its blob."""

    target: str
    manifest_sha256: str
    sha256: str
    key: PublicKey
