"""Optimises versions for targets: durable runs that keep the best variant, with its figures and reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    ChoiceDraft,
    RunRecord,
    RunState,
    StudyDraft,
    StudyRecord,
    StudyState,
    VariantRecord,
    VersionRecord,
)
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Kind
from edgewright.hub.data import HOLDOUT, TRAIN, Data
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.optimize.model import Made, Measured, NeedsSnapshot, Precision, Recipe, StepPlan
from edgewright.hub.optimize.recipes import recipes
from edgewright.hub.optimize.studies import Studies
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.optimize.targets import Target
from edgewright.hub.optimize.workshop import Workshop
from edgewright.hub.provenance import Execution, Making, Provenance, optimisation
from edgewright.hub.registry import Blobs, Registry
from edgewright.hub.registry.inspect import SourceFacts

KIND = "optimize"


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is about: its arguments. `draft` is what was asked for, of whose targets this is one."""

    model: str
    version: int
    target: str
    draft: StudyDraft = StudyDraft(targets=())

    @property
    def subject(self) -> str:
        """As events, runs and the audit log name it."""
        return f"{self.model}/{self.version}/{self.target}"


class Optimize:
    """Starts and performs optimisation. Define its body with `jobs.define(KIND, optimize.body)`."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        registry: Registry,
        data: Data,
        blobs: Blobs,
        jobs: Jobs,
        provenance: Provenance,
        targets: Targets,
        work_dir: Path,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._registry = registry
        self._data = data
        self._jobs = jobs
        self._provenance = provenance
        self._targets = targets
        self._studies = Studies(db)
        self._workshop = Workshop(data, blobs, work_dir)

    def start(
        self, principal: Principal, model: str, version: int, draft: StudyDraft, *, dry_run: bool = False
    ) -> list[RunRecord]:
        """Queue one study for each target, all or none.

        Raises UnknownTarget, UnknownVersion, InvalidInput (no target, or a model that names no class) and
        NeedsSnapshot (nothing to calibrate and measure on).
        """
        if not draft.targets:
            known = ", ".join(self._targets.known())
            raise InvalidInput("name at least one target", field="targets", hint=f"Known targets: {known}.")
        names = [self._targets.get(name).id for name in dict.fromkeys(draft.targets)]
        works = [Work(model=model, version=version, target=name, draft=draft) for name in names]
        self._check(self._registry.version(model, version))
        if dry_run:
            return [self._planned(work) for work in works]
        with self._db.write() as connection:
            ids = [self.queue(connection, principal.name, work) for work in works]
        return [self._jobs.get(run_id) for run_id in ids]

    def queue(self, connection: sa.Connection, actor: str, work: Work, *, id: str = "", why: str = "") -> str:
        """Queue the run for one target in this transaction; returns its id. The same `id` again changes nothing."""
        run_id = self._jobs.start(connection, KIND, work.subject, msgspec.to_builtins(work), id=id, why=why)
        self._studies.begin(connection, self._begun(run_id, work))
        self._audit.record(connection, actor, "optimize.start", work.subject, run=run_id)
        return run_id

    def studies(self, model: str, version: int) -> list[StudyRecord]:
        """A version's studies, newest first; raises UnknownVersion."""
        self._registry.version(model, version)
        return self._studies.of(model, version)

    def study(self, model: str, version: int, wanted: str) -> StudyRecord:
        """A version's newest study on a target; raises UnknownVersion and UnknownStudy."""
        self._registry.version(model, version)
        return self._studies.newest(model, version, wanted)

    def choose(
        self,
        principal: Principal,
        model: str,
        version: int,
        wanted: str,
        draft: ChoiceDraft,
        *,
        dry_run: bool = False,
    ) -> VariantRecord:
        """Make a trial of the newest study's front the version's variant for a target. Raises InvalidInput."""
        study = self.study(model, version, wanted)
        front = [trial.id for trial in study.trials if trial.is_on_front]
        if draft.trial not in front:
            hint = f"On its front are {', '.join(front)}." if front else "Its front is empty."
            raise InvalidInput(f"'{draft.trial[:40]}' is not on the front of {study.id}", field="trial", hint=hint)
        raise NotImplementedError

    def _begun(self, run_id: str, work: Work) -> StudyRecord:
        return StudyRecord(
            id=run_id,
            model=work.model,
            version=work.version,
            target=work.target,
            state=StudyState.RUNNING,
            constraints=self._targets.get(work.target).constraints,
            budget_s=work.draft.budget_s,
            started_at=self._clock(),
        )

    def body(self, context: RunContext) -> dict[str, Any]:
        """Perform one run: try the recipes, best first, until parity holds; keep the variant. Returns its record."""
        work = msgspec.convert(context.args, Work)
        version = self._registry.version(work.model, work.version)
        goal = self._targets.get(work.target)
        context.report("prepare", 0.02)
        facts = msgspec.convert(context.step("prepare", self._prepare, context.id, version), SourceFacts)
        tried: tuple[str, ...] = ()
        for recipe in recipes(goal, facts):
            made = self._make(context, version, recipe)
            measured = self._try(context, version, made, recipe.precision, goal)
            if measured.parity.is_kept:
                break
            tried = (*tried, f"{' → '.join(recipe.lines())} was tried and not kept: it {measured.parity.reason}")
        context.report("save", 0.95)
        variant = self._variant(work, version, recipe, made, measured, tried)
        saved: dict[str, Any] = context.step("save", self._save, context.id, context.started_at, variant)
        return saved

    def _check(self, version: VersionRecord) -> None:
        """Raise what would make every target fail."""
        contract, snapshot = version.contract, version.lineage.snapshot
        if contract.output_of(Kind.LABEL) is None and contract.output_of(Kind.SCORES) is None:
            raise InvalidInput(
                f"model '{version.model}' has neither a 'label' nor a 'scores' output, so its accuracy is not defined",
                field="contract.outputs",
                hint="Set the kind of its output in the contract. Regression is not measured yet.",
            )
        if not snapshot or not self._data.has(snapshot, TRAIN) or not self._data.has(snapshot, HOLDOUT):
            raise NeedsSnapshot(
                f"version {version.version} of '{version.model}' has no snapshot with {TRAIN} and {HOLDOUT}",
                field="snapshot",
            )

    def _planned(self, work: Work) -> RunRecord:
        """The run as it would be."""
        return RunRecord(
            id="",
            kind=KIND,
            subject=work.subject,
            state=RunState.QUEUED,
            step="",
            fraction=0.0,
            started_at=self._clock(),
        )

    def _make(self, context: RunContext, version: VersionRecord, recipe: Recipe) -> Made:
        made = Made(sha256=version.source_sha256)
        for number, plan in enumerate(recipe.steps):
            context.report(plan.name, 0.1 + 0.6 * number / len(recipe.steps), log=f"{plan}\n")
            done = msgspec.convert(
                context.step(plan.name, self._take_step, context.id, version, made.sha256, plan), Made
            )
            context.report(plan.name, log=f"  {done.notes[0]}\n")
            made = Made(
                sha256=done.sha256,
                notes=made.notes + done.notes,
                tools=made.tools | done.tools,
                quantisation=done.quantisation or made.quantisation,
            )
        return made

    def _try(
        self, context: RunContext, version: VersionRecord, made: Made, precision: Precision, goal: Target
    ) -> Measured:
        context.report("measure", 0.7, log="measure\n")
        max_drop = goal.constraints.max_metric_drop
        found = context.step("measure", self._measure, context.id, version, made.sha256, precision, max_drop)
        measured = msgspec.convert(found, Measured)
        context.report("measure", 0.9, log=f"  {measured.parity.reason}\n")
        return measured

    def _variant(
        self, work: Work, version: VersionRecord, recipe: Recipe, made: Made, measured: Measured, tried: tuple[str, ...]
    ) -> VariantRecord:
        size_bytes = self._workshop.size_bytes(made.sha256)
        weighed = weigh(measured, version.source_bytes, size_bytes)
        return VariantRecord(
            model=work.model,
            version=work.version,
            target=work.target,
            recipe=recipe.lines(),
            sha256=made.sha256,
            size_bytes=size_bytes,
            source_bytes=version.source_bytes,
            accuracy=measured.variant.accuracy,
            source_accuracy=measured.source.accuracy,
            latency_p50_ms=measured.variant.latency_p50_ms,
            latency_p95_ms=measured.variant.latency_p95_ms,
            memory_bytes=measured.variant.memory_bytes,
            parity=measured.parity.value,
            is_parity_kept=measured.parity.is_kept,
            reasons=(*tried, *recipe.reasons, *made.notes, measured.parity.reason, weighed),
            tools=made.tools,
            golden_sha256=measured.golden_sha256,
            created_at=0.0,  # set when it is saved
            quantisation=made.quantisation,
        )

    # What runs inside durable steps: JSON in, JSON out.

    def _prepare(self, run_id: str, version: VersionRecord) -> Any:
        self._check(version)
        return msgspec.to_builtins(self._workshop.prepare(run_id, version))

    def _take_step(self, run_id: str, version: VersionRecord, sha256: str, plan: StepPlan) -> Any:
        return msgspec.to_builtins(self._workshop.take_step(run_id, version, sha256, plan))

    def _measure(self, run_id: str, version: VersionRecord, sha256: str, precision: Precision, max_drop: float) -> Any:
        return msgspec.to_builtins(self._workshop.measure(run_id, version, sha256, precision, max_drop))

    def _save(self, run_id: str, started_at: float, variant: VariantRecord) -> Any:
        record = msgspec.structs.replace(variant, created_at=self._clock())
        version = self._registry.version(record.model, record.version)
        snapshot = self._data.snapshot(version.lineage.snapshot)
        execution = Execution(run_id, started_at, record.created_at)
        statement = optimisation(version, record, snapshot, execution, self._provenance.builder)
        with self._db.write() as connection:
            self._registry.add_variant(connection, record)
            self._provenance.record(connection, Making.OPTIMISATION, statement)
        self._workshop.tidy(run_id)
        return msgspec.to_builtins(record)


def weigh(measured: Measured, source_bytes: int, size_bytes: int) -> str:
    """Say what a variant saves of size and time against its source."""
    mine_ms, source_ms = measured.variant.latency_p50_ms, measured.source.latency_p50_ms
    return (
        f"{_times(source_bytes / size_bytes, 'smaller', 'larger')} than the source and "
        f"{_times(source_ms / max(mine_ms, 1e-9), 'faster', 'slower')}: "
        f"p50 {mine_ms:.4f} ms against {source_ms:.4f} ms a row, measured on the hub with one thread"
    )


def _times(ratio: float, better: str, worse: str) -> str:
    """A ratio in words. Less than 5 % is within what two measurements differ by."""
    if 0.95 < ratio < 1.05:
        return f"no {better}"
    return f"{ratio:.2f} times {better}" if ratio > 1 else f"{1 / ratio:.2f} times {worse}"
