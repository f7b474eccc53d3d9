"""Releases that are carried to devices: bundles with an order for each, outside of any rollout."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from tuf.api.metadata import Metadata, Snapshot, Timestamp

from edgewright.contract import manifest as manifests
from edgewright.contract.api import CarryBlob, CarryDraft, CarryRecord, DeviceRecord, ReleaseRecord
from edgewright.contract.bundle import ORDER_TYPE
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.order import MAX_TTL_S, Install, Order
from edgewright.contract.report import Pace
from edgewright.contract.trusted import role_of
from edgewright.hub.db import Database
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import Audit, Permission, Principal, require
from edgewright.hub.packaging import MAX_FETCHES
from edgewright.hub.rollout.model import check_ready, parse_release
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.planning import NoDeviceFits, Offer, choose

STICK = Pace(is_metered=True)
"""A stick has no line to be measured: the fewest bytes are the best."""


class Signing(Packages, Protocol):
    """What bundles need of packaging beside releases."""

    def sign_order(self, order: Order, payload_type: str) -> bytes:
        """The order in the director's sealed envelope."""

    def tuf_file(self, name: str) -> bytes:
        """A published metadata file; raises NotFound."""


class Carried:
    """Makes bundles. The hub keeps no more of one than a line in the audit log; devices report when they are back."""

    def __init__(
        self, db: Database, audit: Audit, clock: Callable[[], float], fleet: Fleet, packaging: Signing, ways: Ways
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._fleet = fleet
        self._packages = packaging
        self._ways = ways

    def export(self, principal: Principal, draft: CarryDraft, *, dry_run: bool = False) -> CarryRecord:
        """A bundle of releases, with an order for each device that any of them fits.

        Raises InvalidInput, NotFound, ReleaseNotReady, ReleaseIsBad and NoDeviceFits. A dry run signs nothing.
        """
        require(principal, Permission.ROLL_OUT)
        if not 0 < draft.ttl_s <= MAX_TTL_S:
            raise InvalidInput(f"an order is good for {MAX_TTL_S:.0f} seconds at most", field="ttl_s")
        releases = [self._ready(name) for name in draft.releases]
        bases = [self._packages.release(*parse_release(name)) for name in draft.bases]
        devices, deployment = self._named(draft), f"bundle-{secrets.token_hex(4)}"
        skipped, blobs, installs = dict[str, str](), dict[str, int](), defaultdict[str, list[Install]](list)
        for release in releases:
            offers = [Offer(package, self._packages.manifest(package.manifest_sha256)) for package in release.packages]
            for device in devices:
                offer = choose(device, offers, draft.target)
                if isinstance(offer, str):
                    skipped[device.id] = f"{release.id}: {offer}"
                else:
                    install, needed = self._install(deployment, release, offer, bases)
                    installs[device.id].append(install)
                    blobs |= needed
        if not installs:
            why = "; ".join(list(skipped.values())[:3]) or "none was named"
            raise NoDeviceFits(f"no device gets anything of this bundle: {why}", field="devices")
        return self._record(principal, draft, installs, blobs, skipped, dry_run=dry_run)

    def _record(
        self,
        principal: Principal,
        draft: CarryDraft,
        installs: Mapping[str, list[Install]],
        blobs: Mapping[str, int],
        skipped: dict[str, str],
        *,
        dry_run: bool,
    ) -> CarryRecord:
        now = self._clock()
        orders = {
            device: Order(device=device, nonce="", issued_at=now, ttl_s=draft.ttl_s, installs=tuple(wanted))
            for device, wanted in installs.items()
        }
        if not dry_run:
            with self._db.write() as connection:
                what = ", ".join(draft.releases)
                self._audit.record(connection, principal.name, "bundle.export", what, devices=sorted(orders))
        return CarryRecord(
            releases=draft.releases,
            orders={
                id: b"" if dry_run else self._packages.sign_order(order, ORDER_TYPE) for id, order in orders.items()
            },
            metadata={} if dry_run else self._metadata({parse_release(name)[0] for name in draft.releases}),
            blobs=tuple(CarryBlob(sha256=sha256, size_bytes=size) for sha256, size in sorted(blobs.items())),
            skipped=skipped,
            expires_at=now + draft.ttl_s,
        )

    def _ready(self, name: str) -> ReleaseRecord:
        release = self._packages.release(*parse_release(name))
        check_ready(release)
        return release

    def _named(self, draft: CarryDraft) -> list[DeviceRecord]:
        named = {*draft.devices, *(self._fleet.members(draft.group) if draft.group else ())}
        known = {device.id: device for device in self._fleet.devices()}
        if unknown := sorted(named - known.keys()):
            raise NotFound(f"there is no device {unknown[0]}", field="devices", hint="See `edgewright device ls`.")
        return [known[id] for id in sorted(named)]

    def _install(
        self, deployment: str, release: ReleaseRecord, offer: Offer, bases: Sequence[ReleaseRecord]
    ) -> tuple[Install, dict[str, int]]:
        """What one device shall install, and the blobs that it needs for that, with their sizes."""
        wanted, manifest = offer.package.manifest_sha256, offer.manifest
        held = frozenset(
            package.manifest_sha256
            for base in bases
            for package in base.packages
            if (base.model, package.target) == (release.model, offer.package.target)
        )
        plan = self._ways.plan(wanted, held, STICK, MAX_FETCHES)
        here = {file.sha256 for sha256 in held for file in self._packages.manifest(sha256).files}
        here |= {fetch.result_sha256 for fetch in plan.fetches}
        blobs = {fetch.sha256: fetch.size_bytes for fetch in plan.fetches}
        blobs |= {file.sha256: file.size_bytes for file in manifest.files if file.sha256 not in here}
        blobs[wanted] = len(manifests.encode(manifest))
        install = Install(
            deployment=deployment,
            model=release.model,
            version=release.version,
            counter=release.counter,
            target_path=offer.package.path,
            manifest_sha256=wanted,
            fetches=plan.fetches,
        )
        return install, blobs

    def _metadata(self, models: Iterable[str]) -> dict[str, bytes]:
        """Every root, and what the newest timestamp names, down to the models' release roles."""
        files = {"timestamp.json": self._packages.tuf_file("timestamp.json")}
        timestamp = Metadata[Timestamp].from_bytes(files["timestamp.json"]).signed
        name = f"{timestamp.snapshot_meta.version}.snapshot.json"
        files[name] = self._packages.tuf_file(name)
        snapshot = Metadata[Snapshot].from_bytes(files[name]).signed
        for role in ("targets", *map(role_of, models)):
            name = f"{snapshot.meta[f'{role}.json'].version}.{role}.json"
            files[name] = self._packages.tuf_file(name)
        return files | self._roots()

    def _roots(self) -> dict[str, bytes]:
        found = dict[str, bytes]()
        while True:
            name = f"{len(found) + 1}.root.json"
            try:
                found[name] = self._packages.tuf_file(name)
            except NotFound:
                return found
