"""Scenes of optimisation: the room and what it stands on, with runs that are performed in this thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.api import (
    FileRef,
    Lineage,
    Role,
    RunState,
    SnapshotDraft,
    StudyDraft,
    StudyRecord,
    VariantRecord,
    VersionDraft,
    VersionRecord,
)
from edgewright.contract.tensors import Contract
from edgewright.hub.data import Data, npz
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.jobs import Jobs
from edgewright.hub.optimize.service import KIND, Optimize, Work
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.provenance import Provenance
from edgewright.hub.registry import Blobs, Registry, table
from scenes.databases import new_database

ANA = Principal(name="ana", roles=(Role.ENGINEER,))


@dataclass(frozen=True)
class Room:
    """Optimise and the rooms that it stands on."""

    optimize: Optimize
    provenance: Provenance
    registry: Registry
    data: Data
    blobs: Blobs
    audit: Audit
    events: Events
    jobs: Jobs
    db: Database
    folder: Path

    def snapshot(self, name: str, train: dict[str, np.ndarray], holdout: dict[str, np.ndarray]) -> str:
        """Keep rows; returns the snapshot's id."""
        files = tuple(
            FileRef(path=path, sha256=self.blobs.put_bytes(rows), size_bytes=len(rows))
            for path, rows in (("train.npz", npz.write(train)), ("holdout.npz", npz.write(holdout)))
        )
        return self.data.create(ANA, SnapshotDraft(dataset=name, files=files)).id

    def register(self, name: str, trained, *, has_snapshot: bool = True) -> VersionRecord:
        """Register a trained model, with its rows as a snapshot: that takes two processes."""
        snapshot = self.snapshot(name, trained.train, trained.holdout) if has_snapshot else ""
        source, _ = self.blobs.put_file(trained.path)
        return self.registry.register(ANA, name, VersionDraft(source_sha256=source, snapshot=snapshot))

    def pretend(
        self, name: str, model: bytes, contract: Contract, snapshot: str = "", parent: int = 0
    ) -> VersionRecord:
        """Put a version's row in without looking into its file, which costs nothing."""
        number = len(self.registry.model(name).versions) + 1 if self._knows(name) else 1
        record = VersionRecord(
            model=name,
            version=number,
            source_sha256=self.blobs.put_bytes(model),
            source_bytes=len(model),
            contract=contract,
            lineage=Lineage(snapshot=snapshot, parent=parent),
            metrics={},
            task="classification",
            note="",
            created_at=1.0,
            created_by="ana",
        )
        with self.db.write() as connection:
            if number == 1:
                row = {"name": name, "owner": "ana", "task": record.task, "created_at": 1.0}
                connection.execute(table.model.insert().values(**row))
            row = {"model": name, "version": number, "source_sha256": record.source_sha256, "created_at": 1.0}
            connection.execute(table.version.insert().values(**row, record=msgspec.to_builtins(record)))
        return record

    def optimise(self, model: str, target: str, version: int = 1, **wishes) -> tuple[StudyRecord, Straight]:
        """Perform a study in this thread; returns it and its run's context."""
        work = Work(model=model, version=version, target=target, draft=StudyDraft(targets=(target,), **wishes))
        with self.db.write() as connection:
            run = self.optimize.queue(connection, "ana", work)
        context = Straight(run, msgspec.to_builtins(work))
        self.optimize.body(context)
        return self.optimize.study(model, version, target), context

    def variant(self, model: str, target: str, version: int = 1) -> VariantRecord | None:
        """The version's variant for that target."""
        variants = self.registry.variants(model, version)
        return next((variant for variant in variants if variant.target == target), None)

    def _knows(self, name: str) -> bool:
        return any(model.name == name for model in self.registry.models())


class Straight:
    """A run's context that does each step once, in this thread: what `jobs.RunContext` is without a crash."""

    def __init__(self, id: str, args, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self.id = id
        self.args = args
        self.started_at = 900.0
        self.steps: list[str] = []
        self.log = ""
        self.is_cancelled = is_cancelled

    def step(self, name, act, *args):
        self.steps.append(name)
        return act(*args)

    def report(self, step, fraction=None, *, state=RunState.RUNNING, log=""):
        self.log += log


def make_room(folder: Path, toolchains=dict, device_figures=lambda sha256, target: None) -> Room:
    """A room on a database of its own, with an even clock."""
    clock = itertools.count(1_000.0).__next__
    db = new_database(folder)
    keys = Keys(folder / "keys")
    events, audit, blobs = Events(db, clock), Audit(db, clock, keys.audit), Blobs(folder / "blobs")
    provenance = Provenance(db, clock, blobs, keys.audit)
    data = Data(db, events, audit, clock, blobs)
    registry = Registry(db, events, audit, clock, blobs, data.rows)
    jobs = Jobs(db, events, clock)
    optimize = Optimize(
        db,
        events,
        audit,
        clock,
        registry,
        data,
        blobs,
        jobs,
        provenance,
        Targets(db, audit, clock),
        folder / "work",
        toolchains,
        device_figures,
    )
    jobs.define(KIND, optimize.body)
    events.subscribe("run.ended", optimize.on_run_ended)
    return Room(optimize, provenance, registry, data, blobs, audit, events, jobs, db, folder)
