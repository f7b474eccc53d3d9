"""What a device believes of a bundle: the order that is meant for it, and the manifests that it names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from edgewright.agent import trust
from edgewright.agent.bundle.folder import BundleFolder
from edgewright.agent.disk import Identity, Settings
from edgewright.agent.link import SignedTime, refresh
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import MAX_MANIFEST_BYTES, Manifest
from edgewright.contract.order import Install, Order
from edgewright.contract.trusted import TrustedSet, role_of


@dataclass(frozen=True)
class Reader:
    """Reads a bundle for one device; what it verifies of the metadata is kept in `repository`."""

    bundle: BundleFolder
    repository: refresh.Repository
    identity: Identity
    settings: Settings
    time: SignedTime

    def order(self, envelope: bytes) -> Believed:
        """1. metadata, as of the moment that the order claims; 2. the order itself. Raises HostileInput."""
        now = self.time.now()
        moment = datetime.fromtimestamp(min(trust.claimed_moment(envelope), now), UTC)
        trusted = refresh.refresh(self.repository, moment)
        skew_s = self.time.skew_s(self.settings.skew_s)
        device = self.identity.device
        order = trust.read_bundle_order(
            envelope, trusted, device=device, after=self.time.last_signed, now=now, skew_s=skew_s
        )
        signed_at = min(order.issued_at, now) if skew_s < math.inf else order.issued_at
        return Believed(order, trusted, moment, signed_at)

    def manifest(self, install: Install, believed: Believed) -> tuple[Manifest, bytes]:
        """3. An install's manifest and its bytes; raises HostileInput, NotFound."""
        trusted = refresh.load_role(self.repository, believed.trusted, role_of(install.model), believed.moment)
        length, sha256 = trusted.target(install.target_path)
        if sha256 != install.manifest_sha256 or length > MAX_MANIFEST_BYTES:
            raise HostileInput("the order names a manifest that no release role vouches for", field="manifest_sha256")
        data = self.bundle.blob(sha256, length)
        return trust.read_manifest(data, install, trusted), data


@dataclass(frozen=True)
class Believed:
    """A bundle's order, the metadata as of `moment`, and the time that a device may learn from it."""

    order: Order
    trusted: TrustedSet
    moment: datetime
    signed_at: float
