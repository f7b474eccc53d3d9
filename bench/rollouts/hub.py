"""A hub's rooms for rollouts, without doors, with a clock that stands until it is moved; packages lie in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from databases import Fresh
from securesystemslib.signer import CryptoSigner

from edgewright.contract import manifest
from edgewright.contract.api import (
    GroupDraft,
    PackageRecord,
    ReleaseRecord,
    ReleaseState,
    Role,
    RolloutDraft,
    RolloutRecord,
)
from edgewright.contract.manifest import Budgets, File, Manifest, Runtime, Tolerance
from edgewright.contract.manifest import Role as FileRole
from edgewright.contract.order import Fetch
from edgewright.contract.report import InstallReport, Outcome, Pace
from edgewright.contract.tensors import Contract
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.fleet.table import device_heard
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs
from edgewright.hub.packaging import Plan
from edgewright.hub.rollout import Rollouts
from edgewright.hub.web.server import settle_memory
from rollouts.seeding import seed

MODEL, GROUP = "defects", "lanes"
SIZE_BYTES = 600_000
ARCHES = ("x86_64", "aarch64", "armv7l")
OPERATOR = Principal(name="olga", roles=(Role.ADMIN,))


class Clock:
    """Seconds since the epoch, as the bench says."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Shelf:
    """One ready release of one package that fits every board, to be fetched whole."""

    def __init__(self) -> None:
        self._manifest = _manifest()
        encoded = manifest.encode(self._manifest)
        self._sha256 = manifest.digest(encoded)

    def release(self, model: str, counter: int) -> ReleaseRecord:
        package = PackageRecord(
            target="cpu", path="defects/1/cpu", manifest_sha256=self._sha256, size_bytes=SIZE_BYTES, recipe=()
        )
        return ReleaseRecord(
            id=f"{model}/{counter}",
            model=model,
            version=counter,
            counter=counter,
            digest="",
            state=ReleaseState.READY,
            packages=(package,),
            author="anna",
            approvals=(),
            approvals_needed=0,
            signatures=("key",),
            signatures_needed=1,
            note="",
            created_at=0.0,
        )

    def manifest(self, sha256: str) -> Manifest:
        return self._manifest

    def mark_bad(self, connection: sa.Connection, model: str, counter: int, reason: str) -> None:
        return None

    def plan(self, wanted: str, held: frozenset[str], pace: Pace, max_fetches: int) -> Plan:
        return Plan(fetches=(), sent_bytes=SIZE_BYTES, full_bytes=SIZE_BYTES, elapsed_s=1.0)

    def note_used(self, fetches: tuple[Fetch, ...]) -> None:
        return None

    def is_foreseen(self, base: str, wanted: str) -> bool:
        return True

    def start(
        self, connection: sa.Connection, release: str, needs: Mapping[tuple[str, str], int], *, id: str, why: str
    ) -> str:
        return id


@dataclass
class World:
    """The rooms, the devices, and what they do."""

    db: Database
    clock: Clock
    fleet: Fleet
    rollouts: Rollouts
    devices: list[str]
    reports: int = 0

    def start(self, draft: RolloutDraft) -> RolloutRecord:
        """Begin a rollout."""
        return self.rollouts.start(OPERATOR, draft)

    def hear(self) -> None:
        """Every device is heard (as heartbeats are saved: in one statement)."""
        with self.db.write() as connection:
            connection.execute(sa.update(device_heard).values(last_seen_at=self.clock.now))

    def answer(self, rollout: str, devices: Sequence[str]) -> None:
        """Let these devices report that they run the release, in one transaction."""
        with self.db.write() as connection:
            for id in devices:
                self.reports += 1
                self.rollouts.on_report(connection, id, self._report(rollout, id))

    def _report(self, rollout: str, id: str) -> InstallReport:
        return InstallReport(
            id=f"r{self.reports}",
            at=self.clock(),
            deployment=f"{rollout}:{id}",
            model=MODEL,
            counter=1,
            outcome=Outcome.COMMITTED,
            step="report",
            received_bytes=SIZE_BYTES,
            full_bytes=SIZE_BYTES,
        )


@contextmanager
def world(count: int, fresh: Fresh) -> Iterator[World]:
    """A hub with `count` devices, eight to a site, all heard of lately, in the group GROUP."""
    with TemporaryDirectory() as folder:
        clock, db = Clock(), Database(fresh(Path(folder)))
        db.migrate()
        events = Events(db, clock)
        audit = Audit(db, clock, CryptoSigner.generate_ed25519())
        jobs, shelf = Jobs(db, events, clock), Shelf()
        fleet = Fleet(db, events, audit, clock, lambda: b"", random.Random(1).randbytes)
        rollouts = Rollouts(db, events, audit, clock, jobs, fleet, shelf, shelf, lambda model, version: None)
        devices = seed(db, count, clock())
        fleet.create_group(OPERATOR, GroupDraft(name=GROUP, selector="all"))
        settle_memory()  # as a hub does before it answers
        yield World(db, clock, fleet, rollouts, devices)
        db.close()


def _manifest() -> Manifest:
    file = File(name="model.onnx", role=FileRole.MODEL, sha256=manifest.digest(b"model"), size_bytes=SIZE_BYTES)
    return Manifest(
        model=MODEL,
        version=1,
        counter=1,
        target="cpu",
        hardware=ARCHES,
        runtime=Runtime(name="onnxruntime", minimum="1.20", below="2"),
        files=(file,),
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=10, memory_bytes=2**20),
        tolerance=Tolerance(rtol=0, atol=0, min_argmax_agreement=1),
        recipe=(),
        lineage_sha256="",
    )
