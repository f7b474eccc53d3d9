"""Pipelines, training runs, and requests for samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    Lineage,
    PipelineDraft,
    RunRecord,
    RunState,
    TrainDraft,
    VersionDraft,
    VersionRecord,
)
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import File
from edgewright.contract.order import Collect
from edgewright.contract.report import Sample
from edgewright.hub.automate import table
from edgewright.hub.automate.collecting import fault_of, misfit
from edgewright.hub.automate.model import UnknownPipeline, check_params, check_pipeline
from edgewright.hub.automate.runlog import RunLog
from edgewright.hub.automate.training import train
from edgewright.hub.data import Data, check_paths, read_tensors, sample_id
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.provenance import RUN_KEY, Execution, Making, Provenance, training
from edgewright.hub.registry import Blobs, Registry, UnknownVersion, check_name, check_version_files

MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class _Budget:
    """How many samples of a model a device may send for one request, and which ones it has sent."""

    model: str
    size: int
    taken: set[str]


class Automate:
    """Keeps pipelines, runs training, and takes the samples in that somebody asked for."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        jobs: Jobs,
        registry: Registry,
        data: Data,
        blobs: Blobs,
        provenance: Provenance,
        work_dir: Path,
        hidden: Sequence[Path] = (),
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._registry = registry
        self._data = data
        self._blobs = blobs
        self._provenance = provenance
        self._work_dir = work_dir
        self._hidden = hidden
        jobs.define("train", self._train)

    # -- pipelines and training

    def put_pipeline(self, principal: Principal, draft: PipelineDraft, *, dry_run: bool = False) -> PipelineDraft:
        """Store how a model is trained; raises InvalidInput, or UnknownBlob if a code file was not uploaded."""
        check_name(draft.model, "model")
        check_name(draft.dataset, "dataset")
        check_pipeline(draft)
        check_paths(draft.code, "code.path")
        check_version_files(draft.files)
        for sha256 in [*(file.sha256 for file in draft.code), *(file.sha256 for file in draft.files)]:
            self._blobs.path(sha256)
        if dry_run:
            return draft
        with self._db.write() as connection:
            connection.execute(sa.delete(table.pipeline).where(table.pipeline.c.model == draft.model))
            row = {"model": draft.model, "record": msgspec.to_builtins(draft), "updated_at": self._clock()}
            connection.execute(sa.insert(table.pipeline).values(**row))
            self._audit.record(
                connection, principal.name, "pipeline.store", draft.model, code_revision=draft.code_revision
            )
        return draft

    def pipeline(self, model: str) -> PipelineDraft:
        """The pipeline of a model; raises UnknownPipeline."""
        with self._db.read() as connection:
            record = connection.scalar(sa.select(table.pipeline.c.record).where(table.pipeline.c.model == model))
        if record is None:
            raise UnknownPipeline(f"no pipeline is stored for model '{model}'", field="model")
        return msgspec.convert(record, PipelineDraft)

    def start_training(
        self, principal: Principal, draft: TrainDraft, *, run_id: str = "", why: str = "", dry_run: bool = False
    ) -> RunRecord:
        """Queue a training run; its result is `{"version", "snapshot", "metrics"}`. Raises UnknownPipeline and others.

        With `dry_run` everything is checked and nothing is queued.
        """
        pipeline = self.pipeline(draft.model)
        check_params({**pipeline.params, **draft.params})
        snapshot = self._data.snapshot(draft.snapshot or pipeline.dataset)
        if draft.parent:
            self._registry.version(draft.model, draft.parent)
        args = {
            "draft": msgspec.to_builtins(msgspec.structs.replace(draft, snapshot=snapshot.id)),
            "pipeline": msgspec.to_builtins(pipeline),
            "principal": principal.name,
        }
        if dry_run:
            now = self._clock()
            state = RunState.QUEUED
            return RunRecord(
                id="",
                kind="train",
                subject=draft.model,
                state=state,
                step="",
                fraction=0.0,
                started_at=now,
                result=args,
            )
        with self._db.write() as connection:
            run = self._jobs.start(connection, "train", draft.model, args, id=run_id, why=why)
            self._audit.record(connection, principal.name, "run.train", draft.model, run=run, snapshot=snapshot.id)
        return self._jobs.get(run)

    def _train(self, context: RunContext) -> dict[str, Any]:
        draft = msgspec.convert(context.args["draft"], TrainDraft)
        pipeline = msgspec.convert(context.args["pipeline"], PipelineDraft)
        context.report("train", 0.1)
        trained = context.step("train", self._run_command, context, pipeline, draft)
        context.report("register", 0.8)
        version: int = context.step("register", self._register, context, pipeline, draft, trained)
        execution = Execution(context.id, context.started_at, self._clock())
        context.step("attest", self._attest, execution, pipeline, self._registry.version(draft.model, version))
        return {"version": version, "snapshot": draft.snapshot, "metrics": trained["metrics"]}

    def _run_command(self, context: RunContext, pipeline: PipelineDraft, draft: TrainDraft) -> dict[str, Any]:
        parent = None
        if draft.parent:
            parent = self._blobs.path(self._registry.version(draft.model, draft.parent).source_sha256)
        log = RunLog(lambda text: context.report("train", log=text), self._clock)
        try:
            trained = train(
                pipeline,
                draft,
                parent,
                self._work_dir / context.id,
                data=self._data,
                blobs=self._blobs,
                hidden=self._hidden,
                on_line=log.add,
                is_cancelled=context.is_cancelled,
            )
        finally:
            log.flush()
        return {name: getattr(trained, name) for name in trained.__struct_fields__}

    def _register(
        self, context: RunContext, pipeline: PipelineDraft, draft: TrainDraft, trained: dict[str, Any]
    ) -> int:
        for version in self._known_versions(draft.model):
            is_ours = version.source_sha256 == trained["source_sha256"]
            if is_ours and version.lineage.environment.get(RUN_KEY) == context.id:
                return version.version
        lineage = Lineage(
            snapshot=draft.snapshot,
            code_revision=pipeline.code_revision,
            params={**pipeline.params, **draft.params},
            seed=pipeline.seed,
            environment={**trained["environment"], RUN_KEY: context.id},
            parent=draft.parent,
            command=pipeline.command,
        )
        version_draft = VersionDraft(
            source_sha256=trained["source_sha256"],
            refinement=pipeline.refinement,
            snapshot=draft.snapshot,
            lineage=lineage,
            metrics=trained["metrics"],
            task=pipeline.task,
            files=self._files(draft, pipeline),
        )
        principal = Principal(name=context.args["principal"], roles=())
        return self._registry.register(principal, draft.model, version_draft).version

    def _files(self, draft: TrainDraft, pipeline: PipelineDraft) -> tuple[File, ...]:
        """What the parent brought along, and the pipeline's own, which win under an equal name."""
        former = self._registry.version(draft.model, draft.parent).files if draft.parent else ()
        return tuple({file.name: file for file in (*former, *pipeline.files)}.values())

    def _attest(self, execution: Execution, pipeline: PipelineDraft, version: VersionRecord) -> None:
        """State what the version came from, once."""
        lineage = version.lineage
        parent = self._registry.version(version.model, lineage.parent) if lineage.parent else None
        tools = {name: found for name, found in lineage.environment.items() if name != RUN_KEY}
        snapshot = self._data.snapshot(lineage.snapshot)
        statement = training(version, pipeline, snapshot, parent, tools, execution, self._provenance.builder)
        with self._db.write() as connection:
            self._provenance.record(connection, Making.TRAINING, statement)

    def _known_versions(self, model: str) -> tuple[VersionRecord, ...]:
        return next((item.versions for item in self._registry.models() if item.name == model), ())

    # -- samples

    def collects_for(self, models: list[str]) -> tuple[Collect, ...]:
        """The open requests for samples of these models: they go into a device's order."""
        query = sa.select(table.collection).where(table.collection.c.is_open, table.collection.c.model.in_(models))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(table.collection.c.request))
            return tuple(Collect(request=row.request, model=row.model, budget=row.budget) for row in rows)

    def tell_collection(self, connection: sa.Connection, request: str, model: str) -> None:
        """Say in this transaction that a collection has opened or closed: what devices are asked for has changed."""
        self._events.record(connection, "automate.collection", request, model=model)

    def wanted(self, connection: sa.Connection, device: str, samples: Sequence[Sample]) -> list[Sample]:
        """Those of a device's samples that were asked for, fit the model's contract and lie within its budget.

        The others are refused with an event and never asked for again, or they would come for ever.
        """
        budgets = self._budgets(connection, device, {sample.request for sample in samples})
        fine, reasons = [], []
        for sample in samples:
            reason = self._refusal(sample, budgets.get(sample.request), sample_id(device, sample.id))
            if reason:
                reasons.append(reason)
            else:
                fine.append(sample)
        if reasons:
            facts = {"reason": reasons[0][:MAX_REASON_CHARS], "count": len(reasons)}
            self._events.record(connection, "automate.samples_refused", device, **facts)
        return fine

    def _budgets(self, connection: sa.Connection, device: str, requests: set[str]) -> dict[str, _Budget]:
        known = sa.select(table.collection).where(table.collection.c.request.in_(requests))
        return {
            row.request: _Budget(row.model, row.budget, self._data.sample_ids(connection, device, row.request))
            for row in connection.execute(known)
        }

    def _refusal(self, sample: Sample, budget: _Budget | None, id: str) -> str:
        """Why this sample is not wanted; '' if it is, and then it has used up its place."""
        if budget is None or budget.model != sample.model:
            return f"nobody asked for samples of '{sample.model[:80]}' as '{sample.request[:80]}'"
        if reason := fault_of(sample):
            return reason
        if id not in budget.taken and len(budget.taken) >= budget.size:
            return f"{budget.size} samples were asked for, and are here"
        try:
            contract = self._registry.version(sample.model, sample.version if sample.version < 2**31 else 0).contract
            reason = misfit(read_tensors(sample.inputs), contract)
        except (HostileInput, UnknownVersion) as error:
            return error.message
        if not reason:
            budget.taken.add(id)
        return reason
