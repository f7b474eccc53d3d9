"""The repair of a drifted model, as one durable run: collect, label, snapshot, train, evaluate, optimise, release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    GateDraft,
    Outcome,
    ReleaseDraft,
    ReleaseState,
    RolloutDraft,
    RolloutState,
    RunState,
    StudyDraft,
    TrainDraft,
    TriggerDraft,
)
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.hub.automate import table
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.model import ChallengerNotBetter
from edgewright.hub.automate.service import Automate
from edgewright.hub.automate.triggers import Occasion, Raised
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.events import Event
from edgewright.hub.govern import Audit, People, Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.observe import Observe
from edgewright.hub.optimize.service import Optimize, Work
from edgewright.hub.packaging import Packaging
from edgewright.hub.registry import Registry
from edgewright.hub.rollout import Rollouts

LOOK_AGAIN_S = 300.0
"""News wake a repair at once; this is for news that never came. Each look stays in the run's durable record."""
STUDY_S = 60.0
"""What a repair's studies may take each: the fleet waits, and earlier studies of the model have shown what is good."""
NEWS = (
    "data.labelled",
    "run.ended",
    "packaging.release_ready",
    "packaging.release_bad",
    "rollout.done",
    "rollout.halted",
    "rollout.aborted",
)


class Collecting(msgspec.Struct, frozen=True, kw_only=True):
    """How many samples each device sends, and how many labels are waited for."""

    samples_per_device: int = 100
    min_labels: int = 200


class RollingOut(msgspec.Struct, frozen=True, kw_only=True):
    """Where the repaired model goes; without a group that is left to people."""

    group: str = ""
    waves: tuple[int, ...] = (1,)
    gate: GateDraft = GateDraft()


class RepairAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a repair: whose version drifted, in whose name it acts, and what its steps are told."""

    model: str
    version: int
    principal: str
    collect: Collecting = Collecting()
    roll_out: RollingOut = RollingOut()


class Repair:
    """Carries a repair through every room; where people are needed it waits for them, for as long as it takes."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Callable[[], float],
        people: People,
        jobs: Jobs,
        automate: Automate,
        judging: Judging,
        registry: Registry,
        data: Data,
        optimize: Optimize,
        packaging: Packaging,
        rollouts: Rollouts,
        observe: Observe,
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._people = people
        self._jobs = jobs
        self._automate = automate
        self._judging = judging
        self._registry = registry
        self._data = data
        self._optimize = optimize
        self._packaging = packaging
        self._rollouts = rollouts
        self._observe = observe

    def begin(
        self, connection: sa.Connection, principal: str, trigger: TriggerDraft, occasion: Occasion, why: str
    ) -> str:
        """Queue the repair of a trigger's model in this transaction, and return the run's id."""
        version = occasion.facts.version if isinstance(occasion.facts, Raised) else 0
        facts = {"model": trigger.model, "version": version or self._registry.model(trigger.model).latest}
        try:
            asked = msgspec.convert({**trigger.params, **facts, "principal": principal}, RepairAsked)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"the trigger's params do not fit: {error}", field="params") from error
        return self._jobs.start(connection, "repair", trigger.model, msgspec.to_builtins(asked), why=why)

    def body(self, context: RunContext) -> dict[str, Any]:
        """The whole repair. Raises ChallengerNotBetter and others, which end the run as failed, with the reason."""
        asked = msgspec.convert(context.args, RepairAsked)
        collect, model, champion = asked.collect, asked.model, asked.version
        actor = self._people.named(asked.principal)

        # 1. Ask the devices that run the champion for samples, and people for their labels.
        context.step("collect", self._open_collection, context.id, model, collect.samples_per_device)
        context.report(f"waiting for {collect.min_labels} labels", 0.05, state=RunState.WAITING)
        self._wait_until(context, lambda: self._labelled(model, context.id) >= collect.min_labels)
        context.step("close", self._close_collection, context.id, model)

        # 2. A snapshot of old and new, and a challenger that starts from the champion.
        context.report("snapshot", 0.3)
        snapshot = context.step("snapshot", self._snapshot, actor, model, champion, context.id)
        context.report("train", 0.35)
        version = int(self._train(context, actor, model, snapshot, champion)["version"])

        # 3. The challenger has to win on a pinned hold-out.
        context.report("evaluate", 0.5)
        reason = context.step("evaluate", self._evaluate, model, version, champion, snapshot)

        # 4. Variants, packages, and the people who sign and approve.
        context.report("optimise", 0.6)
        self._optimise(context, actor, model, version)
        context.report("build", 0.75)
        counter = context.step("build", self._build, actor, model, version, reason)
        context.report(f"waiting for signature and approval of {model}/{counter}", 0.8, state=RunState.WAITING)
        self._wait_until(context, lambda: self._is_settled(model, counter))
        context.step("check", self._check_ready, model, counter)
        result = {"version": version, "snapshot": snapshot, "release": f"{model}/{counter}", "why": reason}
        if not asked.roll_out.group:
            return result

        # 5. Out to the fleet; the alert closes when it is there.
        context.report(f"rolling out {model}/{counter}", 0.9)
        rollout = context.step("rollout", self._roll_out, actor, asked, counter)
        self._wait_until(context, lambda: self._rollouts.rollout(rollout).state.is_ended)
        context.step("close alerts", self._close_alerts, model, rollout)
        return {**result, "rollout": rollout}

    def _wait_until(self, context: RunContext, holds: Callable[[], bool]) -> None:
        while not context.step("look", holds):
            context.wait(LOOK_AGAIN_S)

    def _open_collection(self, request: str, model: str, budget: int) -> None:
        row = {"request": request, "model": model, "budget": budget, "is_open": True, "opened_at": self._clock()}
        with self._db.write() as connection:
            connection.execute(sa.delete(table.collection).where(table.collection.c.request == request))
            connection.execute(sa.insert(table.collection).values(**row))
            self._audit.record(connection, "hub", "samples.request", model, request=request, budget=budget)
            self._automate.tell_collection(connection, request, model)

    def _close_collection(self, request: str, model: str) -> None:
        with self._db.write() as connection:
            where = table.collection.c.request == request
            connection.execute(sa.update(table.collection).where(where).values(is_open=False))
            self._automate.tell_collection(connection, request, model)

    def _labelled(self, model: str, request: str) -> int:
        return sum(sample.label is not None for sample in self._data.samples(model, request=request))

    def _snapshot(self, actor: Principal, model: str, champion: int, request: str) -> str:
        parent = self._registry.version(model, champion).lineage.snapshot
        return self._data.extend(actor, parent, model, request).id

    def _train(self, context: RunContext, actor: Principal, model: str, snapshot: str, champion: int) -> dict[str, Any]:
        draft = TrainDraft(model=model, snapshot=snapshot, parent=champion)
        run_id = f"{context.id}-train"
        context.step("start training", self._start_training, actor, draft, run_id)
        return self._outcome(context, run_id)

    def _start_training(self, actor: Principal, draft: TrainDraft, run_id: str) -> None:
        self._automate.start_training(actor, draft, run_id=run_id, why="repair")

    def _evaluate(self, model: str, challenger: int, champion: int, snapshot: str) -> str:
        rules = self._automate.pipeline(model).judging
        verdict = self._judging.judge(model, challenger, champion, snapshot, rules).verdict
        if verdict.outcome is not Outcome.YES:
            raise ChallengerNotBetter(f"{model}@{challenger} does not replace {model}@{champion}: {verdict.reason}")
        return verdict.reason

    def _optimise(self, context: RunContext, actor: Principal, model: str, version: int) -> None:
        run_ids: list[str] = context.step("start optimising", self._start_optimising, context.id, actor, model, version)
        for run_id in run_ids:
            self._outcome(context, run_id)

    def _start_optimising(self, run: str, actor: Principal, model: str, version: int) -> list[str]:
        short = StudyDraft(targets=(), budget_s=STUDY_S)
        with self._db.write() as connection:
            return [
                self._optimize.queue(
                    connection,
                    actor.name,
                    Work(model=model, version=version, target=target, draft=short),
                    id=f"{run}-{target}",
                    why=f"part of {run}",
                )
                for target in self._automate.pipeline(model).targets
            ]

    def _outcome(self, context: RunContext, run_id: str) -> dict[str, Any]:
        self._wait_until(context, lambda: self._jobs.get(run_id).state.is_ended)
        run = self._jobs.get(run_id)
        if run.state is not RunState.DONE:
            raise Refused(f"{run.kind} of {run.subject} {run.state}: {run.error}", field="run")
        return run.result

    def _build(self, actor: Principal, model: str, version: int, reason: str) -> int:
        for release in self._packaging.releases(model):
            if release.version == version and release.state is not ReleaseState.BAD:
                return release.counter
        return self._packaging.build(actor, ReleaseDraft(model=model, version=version, note=reason)).counter

    def _is_settled(self, model: str, counter: int) -> bool:
        return self._packaging.release(model, counter).state is not ReleaseState.DRAFT

    def _check_ready(self, model: str, counter: int) -> None:
        release = self._packaging.release(model, counter)
        if release.state is not ReleaseState.READY:
            raise Refused(f"release {release.id} is {release.state}: {release.bad_reason}", field="release")

    def _roll_out(self, actor: Principal, asked: RepairAsked, counter: int) -> str:
        release = f"{asked.model}/{counter}"
        for rollout in self._rollouts.rollouts():
            if rollout.release == release:
                return rollout.id
        to = asked.roll_out
        draft = RolloutDraft(release=release, group=to.group, waves=to.waves, gate=to.gate)
        return self._rollouts.start(actor, draft).id

    def _close_alerts(self, model: str, rollout: str) -> None:
        record = self._rollouts.rollout(rollout)
        if record.state is not RolloutState.DONE:
            raise Refused(f"rollout {rollout} was {record.state}: {record.reason}", field="rollout")
        with self._db.write() as connection:
            self._observe.resolve(connection, model)

    def on_news(self, _event: Event) -> None:
        """Something happened that a repair may be waiting for."""
        for run in self._jobs.runs(kind="repair"):
            if not run.state.is_ended:
                self._jobs.wake(run.id)
