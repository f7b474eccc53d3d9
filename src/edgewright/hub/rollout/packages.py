"""What rollouts need of the packaging room."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from edgewright.contract.api import ReleaseRecord
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Fetch


class Packages(Protocol):
    """Releases, their manifests, and the ways to their bytes."""

    def release(self, model: str, counter: int) -> ReleaseRecord:
        """The release; raises NotFound."""

    def manifest(self, sha256: str) -> Manifest:
        """The manifest of that digest; raises NotFound."""

    def plan(self, connection: sa.Connection, manifest: Manifest, held: set[str]) -> tuple[Fetch, ...]:
        """The deltas that pay for a device with the packages `held` (digests of manifests); the rest comes in full."""

    def ensure_deltas(self, bases: set[str], manifest: Manifest) -> object:
        """Make the deltas from packages that devices hold (digests of manifests) to this one; safe to repeat."""

    def mark_bad(self, connection: sa.Connection, model: str, counter: int, reason: str) -> None:
        """Never offer this release again; safe to repeat."""
