"""Optimises versions for targets: studies as durable runs, and which of their trials is a version's variant."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    ChoiceDraft,
    Memory,
    ModelFormat,
    RunRecord,
    RunState,
    StudyDraft,
    StudyRecord,
    StudyState,
    Timing,
    VariantRecord,
    VersionRecord,
)
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.hub.children import Cancelled
from edgewright.hub.data import HOLDOUT, TRAIN, Data
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.optimize.making.cache import StepResults
from edgewright.hub.optimize.making.workshop import Site, Workshop
from edgewright.hub.optimize.model import Made, NeedsSnapshot, StepPlan, Unmet
from edgewright.hub.optimize.operators import check_format, check_operators, check_toolchain
from edgewright.hub.optimize.search.conclude import on_devices, reconsider
from edgewright.hub.optimize.search.limits import check_draft, constraints_of
from edgewright.hub.optimize.search.recipe import parse, title
from edgewright.hub.optimize.steps import params_of, step
from edgewright.hub.optimize.steps.shelf import lack
from edgewright.hub.optimize.studies import Studies
from edgewright.hub.optimize.studying import Studying
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.optimize.trying import Task, Trying
from edgewright.hub.optimize.variants import trial_on_front, variant_of
from edgewright.hub.provenance import Execution, Making, Provenance, optimisation
from edgewright.hub.registry import Blobs, Registry

KIND = "optimize"

DeviceFigures = Callable[[str, str], tuple[Timing, Memory] | None]
"""What enrolled devices measured of a model file, by its digest and the target; None where none did."""


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
    """Starts, performs and shows studies. Define its body with `jobs.define(KIND, optimize.body)`, and let it hear of
    'run.ended'.
    """

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
        toolchains: Callable[[], Mapping[str, Path]] = dict,
        device_figures: DeviceFigures = lambda sha256, target: None,
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
        self._device_figures = device_figures
        self._studies = Studies(db)
        self._workshop = Workshop(data, blobs, StepResults(db), toolchains, clock, work_dir)
        self._trying = Trying(db, registry, self._studies, self._workshop)

    def start(
        self, principal: Principal, model: str, version: int, draft: StudyDraft, *, dry_run: bool = False
    ) -> list[RunRecord]:
        """Queue one study for each target, all or none. A dry run's `log` tells what each would try.

        Raises UnknownTarget, UnknownVersion, NotFound and InvalidInput (no target, a recipe or a limit that makes no
        sense), ToolchainMissing, UnsupportedOperator (which names targets that know it) and NeedsSnapshot (nothing to
        calibrate and measure on).
        """
        works = self._works(model, version, draft)
        record = self._registry.version(model, version)
        self._check(record)
        self._check_operators(record, works)
        if dry_run:
            return [self._planned(work, record) for work in works]
        with self._db.write() as connection:
            ids = [self.queue(connection, principal.name, work) for work in works]
        return [self._jobs.get(run_id) for run_id in ids]

    def queue(self, connection: sa.Connection, actor: str, work: Work, *, id: str = "", why: str = "") -> str:
        """Queue the study of one target in this transaction; returns its id. The same `id` again changes nothing."""
        run_id = self._jobs.start(connection, KIND, work.subject, msgspec.to_builtins(work), id=id, why=why)
        self._studies.begin(connection, self._begun(run_id, work))
        self._audit.record(connection, actor, "optimize.start", work.subject, run=run_id)
        return run_id

    def apply(self, run_id: str, version: VersionRecord, plan: StepPlan, is_cancelled: Callable[[], bool]) -> Made:
        """Apply one step to a version's source, with the rows of its lineage's snapshot; see Workshop.take_step.

        Raises Refused where what the step works with is not installed.
        """
        about = step(plan.name).about
        if missing := lack(plan.name, about, self._workshop.toolchains()):
            raise Refused(missing, field=f"recipe.{plan.name}", hint="Install it where the hub runs.")
        begun = Made(sha256=version.source_sha256, format=version.format)
        site = Site(run_id, version, is_cancelled)
        try:
            return self._workshop.take_step(site, begun, plan, about, timeout_s=about.timeout_s, use_cache=True)
        finally:
            self._workshop.tidy(run_id)

    def studies(self, model: str, version: int) -> list[StudyRecord]:
        """A version's studies, newest first; raises UnknownVersion."""
        self._registry.version(model, version)
        return [self._told(study) for study in self._studies.of(model, version)]

    def study(self, model: str, version: int, target: str) -> StudyRecord:
        """A version's newest study on a target; raises UnknownVersion and UnknownStudy.

        What devices measured is believed before what the hub did, and may change what is recommended.
        """
        self._registry.version(model, version)
        return self._told(self._studies.newest(model, version, target))

    def choose(
        self,
        principal: Principal,
        model: str,
        version: int,
        target: str,
        draft: ChoiceDraft,
        *,
        dry_run: bool = False,
    ) -> VariantRecord:
        """Make a trial of the newest study's front the version's variant for a target. Raises InvalidInput."""
        study = self.study(model, version, target)
        trial = trial_on_front(study, draft.trial)
        variant = variant_of(study, trial, self._registry.version(model, version), self._clock())
        if dry_run:
            return variant
        chosen = msgspec.structs.replace(self._studies.get(study.id), chosen=trial.id)
        with self._db.write() as connection:
            self._studies.save(connection, chosen)
            self._keep(connection, study, variant)
            said = {"trial": trial.id, "recipe": title(trial.recipe), "why": draft.why}
            self._audit.record(connection, principal.name, "optimize.choose", f"{model}/{version}/{target}", **said)
        return variant

    def body(self, context: RunContext) -> dict[str, Any]:
        """Perform one study; the version's variant becomes what it recommends. Raises Unmet where that is nothing."""
        work = msgspec.convert(context.args, Work)
        version = self._registry.version(work.model, work.version)
        task = Task(
            context=context,
            site=Site(context.id, version, context.is_cancelled),
            goal=self._targets.get(work.target),
            draft=work.draft,
            record=self._begun(context.id, work, context.started_at),
        )
        try:
            study = Studying(self._trying).perform(task)
            context.report("save", 0.95)
            saved = msgspec.convert(context.step("save", self._save, study, version), StudyRecord)
        finally:
            if context.is_cancelled():  # the step that was under way may have made its folder anew
                self._workshop.tidy(context.id)
        if saved.state is StudyState.UNMET:
            raise Unmet(f"{work.subject}: {'; '.join(saved.reasons)}", field="constraints")
        return {"study": saved.id, "trial": saved.chosen, "reasons": list(saved.reasons)}

    def on_run_ended(self, event: Event) -> None:
        """A study whose run ended before it was concluded is over too."""
        run = self._jobs.get(event.subject)
        if run.kind != KIND or run.state is RunState.DONE:
            return
        study = self._studies.get(run.id)
        if study.state is not StudyState.RUNNING:
            return
        state = StudyState.CANCELLED if run.state is RunState.CANCELLED else StudyState.FAILED
        reasons = (run.error,) if run.error else ()
        ended = msgspec.structs.replace(study, state=state, reasons=reasons, ended_at=run.ended_at)
        with self._db.write() as connection:
            self._studies.save(connection, ended)
        self._workshop.tidy(run.id)

    def _works(self, model: str, version: int, draft: StudyDraft) -> list[Work]:
        if not draft.targets:
            known = ", ".join(self._targets.known())
            raise InvalidInput("name at least one target", field="targets", hint=f"Known targets: {known}.")
        check_draft(draft)
        for recipe in draft.recipes:
            parse(recipe, params_of)
        goals = [self._targets.get(name) for name in dict.fromkeys(draft.targets)]
        for goal in goals:
            check_toolchain(goal)
        return [Work(model=model, version=version, target=goal.id, draft=draft) for goal in goals]

    def _check(self, version: VersionRecord) -> None:
        """Raise what would make every target fail."""
        snapshot = version.lineage.snapshot
        if not snapshot or not self._data.has(snapshot, TRAIN) or not self._data.has(snapshot, HOLDOUT):
            raise NeedsSnapshot(
                f"version {version.version} of '{version.model}' has no snapshot with {TRAIN} and {HOLDOUT}",
                field="snapshot",
            )

    def _check_operators(self, version: VersionRecord, works: Sequence[Work]) -> None:
        """Raise where a target does not take the source; it is looked into only where operators may be missing."""
        goals = [self._targets.get(work.target) for work in works]
        for goal in goals:
            check_format(version.format, goal)
        if not any(goal.operators for goal in goals):
            return
        facts = self._workshop.source_facts(version)
        if facts.format is ModelFormat.ONNX:
            for goal in goals:
                check_operators(facts.op_types, goal, self._targets.known().values())

    def _planned(self, work: Work, version: VersionRecord) -> RunRecord:
        """The run as it would be, with what it would try in its log."""
        site = Site("", version, lambda: False)
        plan = self._trying.planned(site, self._targets.get(work.target), work.draft)
        return RunRecord(
            id="",
            kind=KIND,
            subject=work.subject,
            state=RunState.QUEUED,
            step="",
            fraction=0.0,
            started_at=self._clock(),
            log=plan.said(),
        )

    def _begun(self, run_id: str, work: Work, started_at: float | None = None) -> StudyRecord:
        return StudyRecord(
            id=run_id,
            model=work.model,
            version=work.version,
            target=work.target,
            state=StudyState.RUNNING,
            constraints=constraints_of(self._targets.get(work.target).constraints, work.draft),
            budget_s=work.draft.budget_s,
            started_at=self._clock() if started_at is None else started_at,
        )

    def _told(self, study: StudyRecord) -> StudyRecord:
        """A study with what devices have measured since, weighed anew."""
        figures_of = functools.cache(lambda sha256: self._device_figures(sha256, study.target))
        found = on_devices(study, figures_of)
        if found is study or study.state not in (StudyState.DONE, StudyState.UNMET):
            return found
        return reconsider(found, study, self._targets.get(study.target).format)

    # What runs inside a durable step: JSON out.

    def _save(self, study: StudyRecord, version: VersionRecord) -> Any:
        """Keep the study with its end, and what it recommends as the version's variant; safe to repeat.

        Raises Cancelled where the study was cancelled meanwhile.
        """
        done = msgspec.structs.replace(study, chosen=study.recommended, ended_at=self._clock())
        with self._db.write() as connection:
            kept = self._studies.grow(connection, done)
            if kept.state is StudyState.CANCELLED:
                raise Cancelled(f"study {study.id} was cancelled")
            if kept is done and study.recommended:
                variant = variant_of(done, trial_on_front(done, study.recommended), version, self._clock())
                self._keep(connection, done, variant)
        self._workshop.tidy(study.id)
        return msgspec.to_builtins(kept)

    def _keep(self, connection: sa.Connection, study: StudyRecord, variant: VariantRecord) -> None:
        """Keep a variant, and state what it was made of."""
        version = self._registry.version(variant.model, variant.version)
        snapshot = self._data.snapshot(version.lineage.snapshot)
        execution = Execution(f"{study.id}/{variant.trial}", study.started_at, variant.created_at)
        statement = optimisation(version, variant, snapshot, execution, self._provenance.builder)
        self._registry.add_variant(connection, variant)
        self._provenance.record(connection, Making.OPTIMISATION, statement)
