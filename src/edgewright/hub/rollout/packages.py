"""What rollouts need of the packaging room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import sqlalchemy as sa

from edgewright.contract.api import ReleaseRecord
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Fetch
from edgewright.contract.report import Pace
from edgewright.hub.packaging import Plan


class Packages(Protocol):
    """Releases and their manifests."""

    def release(self, model: str, counter: int) -> ReleaseRecord:
        """The release; raises NotFound."""

    def manifest(self, sha256: str) -> Manifest:
        """The manifest of that digest; raises NotFound."""

    def mark_bad(self, connection: sa.Connection, model: str, counter: int, reason: str) -> None:
        """Never offer this release again; safe to repeat."""


class Ways(Protocol):
    """The ways to a package's bytes. Packages are named by the digests of their manifests."""

    def plan(self, wanted: str, held: frozenset[str], pace: Pace, max_fetches: int) -> Plan:
        """How a device that holds the packages `held` gets the package `wanted`."""

    def note_used(self, fetches: tuple[Fetch, ...]) -> None:
        """Note that an order names these deltas."""

    def is_foreseen(self, base: str, wanted: str) -> bool:
        """Whether deltas from the package `base` to `wanted` were asked for before."""

    def start(
        self, connection: sa.Connection, release: str, needs: Mapping[tuple[str, str], int], *, id: str, why: str
    ) -> str:
        """Queue a run that makes what devices need, counted by base and wanted package; safe to repeat by `id`."""
