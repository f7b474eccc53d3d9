"""Runs that train: a command or a new last layer, whose model becomes the next version, with all that led to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgewright.contract.api import (
    Does,
    FileRef,
    Lineage,
    PipelineDraft,
    StepDraft,
    StepTaken,
    VersionDraft,
    VersionRecord,
)
from edgewright.contract.manifest import File
from edgewright.hub.automate.executors import Executor
from edgewright.hub.automate.pipelines.commands.frozen import kept_weights
from edgewright.hub.automate.pipelines.commands.listening import Listening
from edgewright.hub.automate.pipelines.commands.results import Trained, check_ended, metrics_of, model_of
from edgewright.hub.automate.pipelines.commands.tasks import PARENT_FILE, task_of
from edgewright.hub.automate.pipelines.commands.transferring import Transferring
from edgewright.hub.automate.pipelines.keys import Inputs, digest, tools_at
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.govern import Principal
from edgewright.hub.jobs import RunContext
from edgewright.hub.provenance import RUN_KEY, Execution, Making, Provenance, training
from edgewright.hub.registry import Blobs, Registry

TOOLS = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "torch")
"""The libraries whose versions a lineage names; the digest of a step covers all of them."""
MAKES = (Does.TRAIN, Does.TRANSFER)
"""What steps do that make a version."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run is about: its arguments."""

    pipeline: PipelineDraft
    step: StepDraft
    snapshot: str
    principal: str
    parent: int = 0
    files: tuple[FileRef, ...] = ()  # of steps before it
    taken: tuple[StepTaken, ...] = ()
    run: str = ""  # the run of the pipeline that this is a part of

    @property
    def params(self) -> dict[str, Any]:
        """Those of the project, and those of the step, which win."""
        return {**self.pipeline.params, **self.step.params}


class Training:
    """Performs training runs; their result is `{"version", "snapshot", "metrics", …}`."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float],
        registry: Registry,
        data: Data,
        blobs: Blobs,
        provenance: Provenance,
        executor: Executor,
        listening: Listening,
        transferring: Transferring,
    ) -> None:
        self._db = db
        self._clock = clock
        self._registry = registry
        self._data = data
        self._blobs = blobs
        self._provenance = provenance
        self._executor = executor
        self._listening = listening
        self._transferring = transferring

    def newest(self, dataset: str) -> str:
        """The newest snapshot of a dataset, by id; raises UnknownSnapshot."""
        return self._data.snapshot(dataset).id

    def inputs(self, work: Work) -> Inputs:
        """All that decides what a training makes."""
        parent = self._registry.version(work.pipeline.model, work.parent).source_sha256 if work.parent else ""
        return Inputs(
            data=self._data.snapshot(work.snapshot).files,
            files=work.files,
            parent=parent,
            tools=tools_at(work.step.where.kind),
        )

    def body(self, context: RunContext) -> dict[str, Any]:
        """Train, register, and state what the version was made of."""
        work = msgspec.convert(context.args, Work)
        context.report("train", 0.1)
        trained = msgspec.convert(context.step("train", self._train, context, work), Trained)
        context.report("register", 0.8)
        frozen: list[str] = context.step("compare", self._frozen, work, trained)
        version: int = context.step("register", self._register, context, work, trained, frozen)
        execution = Execution(context.id, context.started_at, self._clock())
        context.step("attest", self._attest, execution, work, self._registry.version(work.pipeline.model, version))
        made = {"version": version, "snapshot": work.snapshot, "metrics": trained.metrics}
        return {**made, **({"frozen": frozen} if frozen else {}), "where": trained.where}

    def _train(self, context: RunContext, work: Work) -> dict[str, Any]:
        act = self._transferring.transfer if work.step.does is Does.TRANSFER else self._command
        return _plain(act(context, work))

    def _command(self, context: RunContext, work: Work) -> Trained:
        step = work.step
        task = task_of(
            context.id,
            work.run or context.id,
            work.pipeline,
            step,
            data=(*self._data.snapshot(work.snapshot).files, *work.files),
            parent=self._parent_file(work),
            params=work.params,
        )
        finished = self._listening.run(self._executor, task, context, work.run)
        field = f"pipeline.steps.{step.name}.command" if work.pipeline.steps else "train.command"
        check_ended(finished, step.command or step.function, field)
        tools = {name: found for name, found in tools_at(step.where.kind).items() if name in ("python", *TOOLS)}
        return Trained(
            source_sha256=model_of(finished.outputs, field),
            metrics=metrics_of(finished, step.metrics, self._blobs, field, context.is_cancelled),
            environment={**tools, **finished.environment},
            where=finished.where,
        )

    def _parent_file(self, work: Work) -> FileRef | None:
        if not work.parent:
            return None
        version = self._registry.version(work.pipeline.model, work.parent)
        return FileRef(path=PARENT_FILE, sha256=version.source_sha256, size_bytes=version.source_bytes)

    def _frozen(self, work: Work, trained: Trained) -> list[str]:
        if not work.parent:
            return []
        parent = self._registry.version(work.pipeline.model, work.parent).source_sha256
        return list(kept_weights(self._blobs.path(parent), self._blobs.path(trained.source_sha256)))

    def _register(self, context: RunContext, work: Work, trained: Trained, frozen: Sequence[str]) -> int:
        pipeline = work.pipeline
        for version in self._known_versions(pipeline.model):
            is_ours = version.source_sha256 == trained.source_sha256
            if is_ours and version.lineage.environment.get(RUN_KEY) == context.id:
                return version.version
        lineage = Lineage(
            snapshot=work.snapshot,
            code_revision=pipeline.code_revision,
            params=work.params,
            seed=pipeline.seed,
            environment={**trained.environment, RUN_KEY: context.id},
            parent=work.parent,
            command=work.step.command or work.step.function or work.step.does,
            steps=(*work.taken, self._taken(work, trained)) if work.run else msgspec.UNSET,
            frozen=tuple(frozen) or msgspec.UNSET,
        )
        draft = VersionDraft(
            source_sha256=trained.source_sha256,
            refinement=pipeline.refinement,
            snapshot=work.snapshot,
            lineage=lineage,
            metrics=trained.metrics,
            task=pipeline.task,
            files=self._files(work),
        )
        return self._registry.register(Principal(name=work.principal, roles=()), pipeline.model, draft).version

    def _taken(self, work: Work, trained: Trained) -> StepTaken:
        key = digest(work.pipeline, work.step, self.inputs(work))
        return StepTaken(name=work.step.name, does=work.step.does, digest=key, made=trained.source_sha256)

    def _files(self, work: Work) -> tuple[File, ...]:
        """What the parent brought along, and the pipeline's own, which win under an equal name."""
        former = self._registry.version(work.pipeline.model, work.parent).files if work.parent else ()
        return tuple({file.name: file for file in (*former, *work.pipeline.files)}.values())

    def _attest(self, execution: Execution, work: Work, version: VersionRecord) -> None:
        """State what the version came from, once."""
        lineage = version.lineage
        parent = self._registry.version(version.model, lineage.parent) if lineage.parent else None
        tools = {name: found for name, found in lineage.environment.items() if name != RUN_KEY}
        snapshot = self._data.snapshot(lineage.snapshot)
        builder = self._provenance.builder
        statement = training(version, work.pipeline, snapshot, parent, tools, execution, builder)
        with self._db.write() as connection:
            self._provenance.record(connection, Making.TRAINING, statement)

    def _known_versions(self, model: str) -> tuple[VersionRecord, ...]:
        return next((item.versions for item in self._registry.models() if item.name == model), ())


def _plain(trained: Trained) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(trained)
    return made
