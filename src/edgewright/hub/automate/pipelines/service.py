"""Pipelines: how a model is made and kept good, stored with its code, started, and told step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    Overrides,
    PipelineDraft,
    RunRecord,
    RunState,
    StepDraft,
    StepRecord,
    StepState,
    TrainDraft,
)
from edgewright.contract.api.tasks import Limits, Where
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.judging import check_rules
from edgewright.hub.automate.pipelines import table
from edgewright.hub.automate.pipelines.checking import check_params, check_pipeline
from edgewright.hub.automate.pipelines.commands.performing import TRAIN, Performing
from edgewright.hub.automate.pipelines.commands.training import MAKES, Work
from edgewright.hub.automate.pipelines.job import Asked
from edgewright.hub.automate.pipelines.model import UnknownPipeline, steps_of
from edgewright.hub.automate.pipelines.params import overridden
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.data import Data, check_paths
from edgewright.hub.db import Database
from edgewright.hub.events import Event
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import ENDED, Jobs
from edgewright.hub.registry import Blobs, Registry, check_name, check_version_files

KIND = "pipeline"
NEWS = (
    "data.labelled",
    "run.ended",
    "govern.approval",
    "packaging.release_ready",
    "packaging.release_bad",
    "rollout.done",
    "rollout.halted",
    "rollout.aborted",
)
"""Events that a run may be waiting for."""


class Pipelines:
    """Keeps pipelines and starts their runs."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Callable[[], float],
        jobs: Jobs,
        registry: Registry,
        data: Data,
        blobs: Blobs,
        records: Records,
        performing: Performing,
        check_place: Callable[[Where], None],
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._registry = registry
        self._data = data
        self._blobs = blobs
        self._records = records
        self._performing = performing
        self._check_place = check_place

    def put(self, principal: Principal, draft: PipelineDraft, *, dry_run: bool = False) -> PipelineDraft:
        """Store a model's pipeline.

        Raises InvalidInput, UnknownBlob if a code file was not uploaded, NotConfigured for a place that is not there.
        """
        check_name(draft.model, "model")
        check_name(draft.dataset, "dataset")
        check_rules(draft.judging)
        for step in check_pipeline(draft):
            self._check_place(step.where)
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

    def get(self, model: str) -> PipelineDraft:
        """The pipeline of a model; raises UnknownPipeline."""
        with self._db.read() as connection:
            record = connection.scalar(sa.select(table.pipeline.c.record).where(table.pipeline.c.model == model))
        if record is None:
            raise UnknownPipeline(f"no pipeline is stored for model '{model}'", field="model")
        return msgspec.convert(record, PipelineDraft)

    def plan(self, model: str, overrides: Overrides) -> tuple[StepDraft, ...]:
        """The steps of a run, in order, with what it does otherwise.

        Raises UnknownPipeline, InvalidInput (an unknown step, a parameter that makes no sense), UnknownSnapshot,
        UnknownVersion.
        """
        draft = self.get(model)
        steps = steps_of(draft)
        names = {step.name for step in steps}
        for name in (*overrides.params, *((overrides.from_step,) if overrides.from_step else ())):
            if name not in names:
                hint = f"The pipeline of {model} has {', '.join(step.name for step in steps)}."
                raise InvalidInput(f"there is no step '{name}'", field="step", hint=hint)
        if overrides.snapshot:
            self._data.snapshot(overrides.snapshot)
        if overrides.champion:
            self._registry.version(model, overrides.champion)
        changed = tuple(overridden(step, overrides.params) for step in steps)
        return check_pipeline(msgspec.structs.replace(draft, steps=changed))

    def start(
        self,
        connection: sa.Connection,
        principal: Principal,
        model: str,
        *,
        why: str,
        overrides: Overrides | None = None,
        id: str = "",
    ) -> str:
        """Queue a run of a model's pipeline in this transaction; returns its id. The same `id` again changes nothing.

        Raises what `plan` raises.
        """
        told = overrides or Overrides()
        steps = self.plan(model, told)
        asked = Asked(pipeline=self.get(model), steps=steps, overrides=told, principal=principal.name, why=why)
        run = self._jobs.start(connection, KIND, model, msgspec.to_builtins(asked), id=id, why=why)
        if self._records.begin(connection, model, [_begun(run, step) for step in steps]):
            self._audit.record(connection, principal.name, "pipeline.start", model, run=run, why=why)
        return run

    def run(
        self, principal: Principal, model: str, overrides: Overrides, *, why: str, dry_run: bool = False
    ) -> RunRecord:
        """Start a run in a transaction of its own. A dry run's `result` has the steps, and nothing is queued."""
        if dry_run:
            names: dict[str, Any] = {"steps": [step.name for step in self.plan(model, overrides)]}
            return self._unborn(KIND, model, names)
        with self._db.write() as connection:
            id = self.start(connection, principal, model, why=why, overrides=overrides)
        return self._jobs.get(id)

    def train(self, principal: Principal, draft: TrainDraft, *, why: str = "", dry_run: bool = False) -> RunRecord:
        """Queue the training step alone; its result is `{"version", "snapshot", "metrics"}`.

        With `dry_run` everything is checked and nothing is queued. Raises UnknownPipeline, UnknownSnapshot,
        UnknownVersion, InvalidInput.
        """
        pipeline = self.get(draft.model)
        check_params({**pipeline.params, **draft.params})
        snapshot = self._data.snapshot(draft.snapshot or pipeline.dataset)
        if draft.parent:
            self._registry.version(draft.model, draft.parent)
        work = Work(
            pipeline=pipeline,
            step=overridden(_training(pipeline), {_training(pipeline).name: draft.params}),
            snapshot=snapshot.id,
            principal=principal.name,
            parent=draft.parent,
        )
        if dry_run:
            return self._unborn(TRAIN, draft.model, msgspec.to_builtins(work))
        with self._db.write() as connection:
            run = self._performing.queue_training(connection, work, why)
            self._audit.record(connection, principal.name, "run.train", draft.model, run=run, snapshot=snapshot.id)
        return self._jobs.get(run)

    def steps(self, run: str) -> tuple[StepRecord, ...]:
        """The steps of a run, in order; none if it is no pipeline's. Raises NotFound for a run that is not there."""
        state = self._jobs.state(run)
        steps = self._records.of(run)
        if state not in ENDED or state is RunState.DONE:
            return steps
        error = self._jobs.get(run).error
        return tuple(_cut_off(step, state, error) for step in steps)

    def on_news(self, event: Event) -> None:
        """Something happened that a run may be waiting for; what a cancelled one has begun is ended."""
        if event.kind == "run.ended" and event.data.get("state") == RunState.CANCELLED:
            self._performing.cancel_parts(event.subject)
        for run in self._jobs.runs(kind=KIND):
            if not run.state.is_ended:
                self._jobs.wake(run.id)

    def _unborn(self, kind: str, subject: str, result: dict[str, Any]) -> RunRecord:
        return RunRecord(
            id="",
            kind=kind,
            subject=subject,
            state=RunState.QUEUED,
            step="",
            fraction=0.0,
            started_at=self._clock(),
            result=result,
        )


def _training(pipeline: PipelineDraft) -> StepDraft:
    """The step that makes a version: the pipeline's own, or the project's command."""
    made = next((step for step in steps_of(pipeline) if step.does in MAKES), None)
    if made is None:
        limits = Limits(timeout_s=pipeline.timeout_s)
        made = StepDraft(name="train", does=MAKES[0], command=pipeline.command, limits=limits)
    return made


def _begun(run: str, step: StepDraft) -> StepRecord:
    return StepRecord(run=run, name=step.name, does=step.does)


def _cut_off(step: StepRecord, state: RunState, error: str) -> StepRecord:
    """How a step stands whose run has failed or was cancelled."""
    if step.state not in (StepState.RUNNING, StepState.WAITING):
        return step
    if state is RunState.CANCELLED:
        return msgspec.structs.replace(step, state=StepState.CANCELLED)
    return msgspec.structs.replace(step, state=StepState.FAILED, note=error)
