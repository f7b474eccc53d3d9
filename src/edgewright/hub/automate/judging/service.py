"""Judges challengers against the champion, and keeps, binds and finds what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    CostLine,
    EvaluationDraft,
    EvaluationRecord,
    JudgedLine,
    JudgingRules,
    Outcome,
    ReleaseRecord,
    ReleaseState,
    RunRecord,
    RunState,
    SnapshotRecord,
    VersionRecord,
)
from edgewright.contract.errors import NotFound
from edgewright.hub.automate.judging import table
from edgewright.hub.automate.judging.answering import HOLDOUTS, Answering
from edgewright.hub.automate.judging.bias import disparities
from edgewright.hub.automate.judging.comparing import compare
from edgewright.hub.automate.judging.promotion import check_rules, promote
from edgewright.hub.data import Data
from edgewright.hub.data.model import UnknownSnapshot
from edgewright.hub.db import Database
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.provenance import Provenance, evaluation
from edgewright.hub.registry import Blobs, Registry

NO_RUN = "by hand"


class UnknownEvaluation(NotFound):
    code = "unknown_evaluation"
    hint = "`edgewright evaluate MODEL@VERSION` judges it."


class Judging:
    """Judges. `releases` lists a model's releases, newest first; `rules_of` gives the rules of its project."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Callable[[], float],
        jobs: Jobs,
        registry: Registry,
        data: Data,
        blobs: Blobs,
        provenance: Provenance,
        releases: Callable[[str], Sequence[ReleaseRecord]],
        rules_of: Callable[[str], JudgingRules],
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._registry = registry
        self._data = data
        self._provenance = provenance
        self._releases = releases
        self._rules_of = rules_of
        self._answering = Answering(data, blobs)
        jobs.define("evaluate", self._body)

    def start(self, principal: Principal, draft: EvaluationDraft, *, dry_run: bool = False) -> RunRecord:
        """Queue the judging of a version by its project's rules; a dry run checks all of it and queues nothing.

        Without a champion it is held against the newest release's; without a snapshot, on that which it was trained
        on. Raises UnknownVersion, UnknownSnapshot, InvalidInput.
        """
        version = self._registry.version(draft.model, draft.challenger)
        champion = self.champion(draft.model) if draft.champion is None else draft.champion
        if champion == draft.challenger:
            champion = 0
        if champion:
            self._registry.version(draft.model, champion)
        snapshot = self._data.readable(draft.snapshot or version.lineage.snapshot)
        _check_holdouts(snapshot)
        check_rules(self._rules_of(draft.model))
        args = {"model": draft.model, "challenger": draft.challenger, "champion": champion, "snapshot": snapshot.id}
        if dry_run:
            queued = RunState.QUEUED
            at = self._clock()
            return RunRecord(
                id="",
                kind="evaluate",
                subject=draft.model,
                state=queued,
                step="",
                fraction=0.0,
                started_at=at,
                result=args,
            )
        with self._db.write() as connection:
            run = self._jobs.start(connection, "evaluate", draft.model, args, why=f"asked for by {principal.name}")
            self._audit.record(connection, principal.name, "run.evaluate", draft.model, run=run, **args)
        return self._jobs.get(run)

    def judge(
        self,
        model: str,
        challenger: int,
        champion: int,
        snapshot: str,
        rules: JudgingRules,
        *,
        run: str = "",
        is_cancelled: Callable[[], bool] | None = None,
    ) -> EvaluationRecord:
        """Judge a challenger on every hold-out of the snapshot, keep the record with its statement, and return it.

        A champion of 0 stands for none. To judge the same again gives the same verdict. Raises UnknownSnapshot where
        there is no hold-out, InvalidInput, StepFailed, Cancelled.
        """
        check_rules(rules)
        frozen = self._data.readable(snapshot)
        _check_holdouts(frozen)
        new = self._registry.version(model, challenger)
        old = self._registry.version(model, champion) if champion else None
        holdouts, truths = self._answering.holdouts(new, old, frozen, rules.evaluation, is_cancelled)
        record = EvaluationRecord(
            model=model,
            challenger=challenger,
            champion=champion,
            snapshot=frozen.id,
            digest=_digest(new, old, frozen, rules),
            rules=rules,
            holdouts=compare(holdouts, rules.evaluation, rules.promotion.metric),
            costs=self._costs(model, challenger, champion),
            bias=disparities(holdouts, truths, rules.bias, rules.evaluation.confidence) if rules.bias else (),
            created_at=self._clock(),
            run=run,
        )
        return self._keep(record, new, old, frozen)

    def settle_costs(self, model: str, challenger: int, champion: int) -> EvaluationRecord:
        """Ask the rules again, now that there are variants; raises UnknownEvaluation where it was not judged before."""
        known = self.get(model, challenger, champion)
        new = self._registry.version(model, challenger)
        old = self._registry.version(model, champion) if champion else None
        costs = self._costs(model, challenger, champion)
        record = msgspec.structs.replace(known, costs=costs, created_at=self._clock())
        return self._keep(record, new, old, self._data.snapshot(known.snapshot))

    def of(self, model: str, challenger: int = 0) -> list[EvaluationRecord]:
        """The evaluations of a model, or of one challenger, oldest first."""
        of = table.evaluation.c
        query = sa.select(of.record).where(of.model == model).order_by(of.created_at, of.challenger, of.champion)
        if challenger:
            query = query.where(of.challenger == challenger)
        with self._db.read() as connection:
            return [msgspec.convert(record, EvaluationRecord) for record in connection.scalars(query)]

    def newest(self, limit: int = 50) -> list[JudgedLine]:
        """What became of the challengers that were judged last, the newest first."""
        of = table.evaluation.c
        query = sa.select(of.record).order_by(of.created_at.desc(), of.model).limit(limit)
        with self._db.read() as connection:
            found = [msgspec.convert(record, EvaluationRecord) for record in connection.scalars(query)]
        return [
            JudgedLine(
                model=one.model,
                version=one.challenger,
                champion=one.champion,
                outcome=one.verdict.outcome,
                reason=one.verdict.reason,
            )
            for one in found
        ]

    def get(self, model: str, challenger: int, champion: int) -> EvaluationRecord:
        """One evaluation; raises UnknownEvaluation."""
        for record in self.of(model, challenger):
            if record.champion == champion:
                return record
        against = f" against {model}@{champion}" if champion else ""
        raise UnknownEvaluation(f"{model}@{challenger} was not judged{against}", field="challenger")

    def champion(self, model: str) -> int:
        """The version of the newest release that is ready; before there is one, the newest that was promoted; or 0."""
        released = next((one.version for one in self._releases(model) if one.state is ReleaseState.READY), 0)
        promoted = (one.challenger for one in self.of(model) if one.verdict.outcome is Outcome.YES)
        return released or max(promoted, default=0)

    def expected_agreement(self, model: str, version: int) -> float | None:
        """How often a promoted challenger agrees with the champion where they agree least; None if it was not promoted.

        The rollout room asks this before it sets a shadow's bar: a challenger that has learned differs on purpose.
        """
        promoted = [one for one in self.of(model, version) if one.champion and one.verdict.outcome is Outcome.YES]
        known = [one.agreement for one in promoted[-1].holdouts if one.agreement is not None] if promoted else []
        return min(known, default=None)

    def _body(self, context: RunContext) -> dict[str, Any]:
        """The run: judge once, and tell what came out."""
        context.report("judge", 0.1)
        outcome: dict[str, Any] = context.step("judge", self._judge_in, context)
        return outcome

    def _judge_in(self, context: RunContext) -> dict[str, Any]:
        args = context.args
        rules = self._rules_of(args["model"])
        record = self.judge(**args, rules=rules, run=context.id, is_cancelled=context.is_cancelled)
        return {"outcome": record.verdict.outcome.value, "why": record.verdict.reason}

    def _costs(self, model: str, challenger: int, champion: int) -> tuple[CostLine, ...]:
        before = {one.target: one for one in self._registry.variants(model, champion)} if champion else {}
        lines = []
        for variant in self._registry.variants(model, challenger):
            old = before.get(variant.target)
            lines.append(
                CostLine(
                    target=variant.target,
                    latency_p95_ms=variant.latency_p95_ms,
                    size_bytes=variant.size_bytes,
                    champion_latency_p95_ms=old.latency_p95_ms if old else None,
                    champion_size_bytes=old.size_bytes if old else None,
                    where=variant.latency_place,
                )
            )
        return tuple(lines)

    def _keep(
        self, record: EvaluationRecord, new: VersionRecord, old: VersionRecord | None, snapshot: SnapshotRecord
    ) -> EvaluationRecord:
        """Judge by the rules, seal what came out, and keep it in the place of an older one."""
        judged = msgspec.structs.replace(record, verdict=promote(record, record.rules))
        statement = evaluation(judged, new, old, snapshot)
        key = {"model": record.model, "challenger": record.challenger, "champion": record.champion}
        with self._db.write() as connection:
            sha256 = self._provenance.record_result(
                connection, statement, f"{record.run or NO_RUN} {_digest_of(judged)}"
            )
            kept = msgspec.structs.replace(judged, statement_sha256=sha256)
            where = [table.evaluation.c[name] == value for name, value in key.items()]
            connection.execute(sa.delete(table.evaluation).where(*where))
            row = {"outcome": kept.verdict.outcome, "created_at": kept.created_at, "record": msgspec.to_builtins(kept)}
            connection.execute(sa.insert(table.evaluation).values(**key, **row))
            subject = f"{record.model}@{record.challenger}"
            facts = {"champion": record.champion, "outcome": kept.verdict.outcome.value, "digest": record.digest}
            self._audit.record(connection, "hub", "version.judge", subject, **facts)
        return kept


def _check_holdouts(snapshot: SnapshotRecord) -> None:
    if not any(file.path in HOLDOUTS for file in snapshot.files):
        hint = "Add rows with labels that no training sees."
        raise UnknownSnapshot(f"{snapshot.id} has neither {' nor '.join(HOLDOUTS)}", field="snapshot", hint=hint)


def _digest_of(record: EvaluationRecord) -> str:
    """What was seen and said: judged again on other figures, a version has another statement."""
    return hashlib.sha256(msgspec.json.encode([record.digest, record.costs, record.verdict])).hexdigest()[:32]


def _digest(new: VersionRecord, old: VersionRecord | None, snapshot: SnapshotRecord, rules: JudgingRules) -> str:
    """SHA-256 over both models, the hold-outs and the rules."""
    files = sorted((file.path, file.sha256) for file in snapshot.files if file.path in HOLDOUTS)
    body = [new.source_sha256, old.source_sha256 if old else "", files, rules]
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
