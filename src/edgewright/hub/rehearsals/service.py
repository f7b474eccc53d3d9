"""The verbs of rehearsals: begin one, show what it found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edgewright.contract.api import (
    Badness,
    RehearsalDraft,
    RehearsalRecord,
    RehearsedRun,
    RolloutDraft,
    RunRecord,
    RunState,
)
from edgewright.contract.errors import Conflict, InvalidInput, NotFound
from edgewright.hub.children import ask
from edgewright.hub.db import Database
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import Principal
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.registry import Blobs
from edgewright.hub.rehearsals import facts
from edgewright.hub.rehearsals.copying import copy_hub
from edgewright.hub.rehearsals.question import FACTS, GROUP, Facts, Question
from edgewright.hub.rehearsals.scaling import choose, scale_waves
from edgewright.hub.rollout.planner import Planned, Planner
from edgewright.hub.rollout.planning import Plan

KIND = "rehearsal"
PLAY_S = 1800.0  # for one play; so much time has a fleet of many thousands
SITE = "site"
MAX_DEVICES = 20_000


class RehearsalNotDone(Conflict):
    code = "rehearsal_not_done"
    hint = "`edgewright run show` says how far it is, or why it failed."


class Rehearsals:
    """Each is a durable run whose plays are processes of their own; a hub that is killed goes on with the next play."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float],
        jobs: Jobs,
        planner: Planner,
        fleet: Fleet,
        blobs: Blobs,
        work_dir: Path,
        poll_s: float | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._jobs = jobs
        self._planner = planner
        self._fleet = fleet
        self._blobs = blobs
        self._work_dir = work_dir
        self._poll_s = poll_s
        jobs.define(KIND, self._body, at_once=1)

    def start(self, principal: Principal, draft: RehearsalDraft) -> RunRecord:
        """Begin to play a rollout; raises what starting it would, and InvalidInput."""
        if not 1 <= draft.max_devices <= MAX_DEVICES:
            raise InvalidInput(
                f"max_devices is {draft.max_devices}", field="max_devices", hint=f"Choose 1 to {MAX_DEVICES}."
            )
        planned = self._planner.plan(draft.rollout)
        args = msgspec.to_builtins(draft)
        with self._db.write() as connection:
            why = f"{principal.name} rehearses {planned.release.id}"
            id = self._jobs.start(connection, KIND, planned.release.id, args, why=why)
        return self._jobs.get(id)

    def rehearsal(self, id: str) -> RehearsalRecord:
        """What a rehearsal found; raises NotFound, RehearsalNotDone."""
        run = self._jobs.get(id)
        if run.kind != KIND:
            raise NotFound(f"run '{id}' is no rehearsal", field="rehearsal")
        if run.state is not RunState.DONE:
            raise RehearsalNotDone(f"rehearsal {id} is {run.state}{': ' if run.error else ''}{run.error}", field="id")
        return msgspec.convert(run.result, RehearsalRecord)

    def _body(self, context: RunContext) -> dict[str, Any]:
        draft = msgspec.convert(context.args, RehearsalDraft)
        folder = self._work_dir / context.id
        plays: list[Badness | None] = [None, *draft.badness]
        try:
            context.report("copies the fleet", 0.0)
            known = context.step("copy", self._copy, draft, folder)
            runs = []
            for number, badness in enumerate(plays):
                said = badness.replace("_", " ") if badness else "as planned"
                context.report(f"plays {number + 1} of {len(plays)}: {said}", (number + 0.5) / (len(plays) + 0.5))
                runs.append(context.step(f"play-{said}", self._play, context, draft, folder, badness))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        took_s = max(0.0, self._clock() - context.started_at)
        return {"id": context.id, "seed": draft.seed, "runs": runs, "took_s": took_s, **known}

    def _copy(self, draft: RehearsalDraft, folder: Path) -> dict[str, Any]:
        """Write the copy and the facts; returns what of them is shown."""
        planned = self._planner.plan(draft.rollout)
        fitted = planned.release.model, planned.release.counter, draft.rollout.group
        per = _label_of_sites(draft.rollout)
        devices = planned.plan.devices
        site_of = {device: devices[device].labels.get(per, "") for device in planned.plan.offers}
        chosen = choose(site_of, draft.max_devices, draft.seed)
        copy_hub(self._db, self._blobs, planned.release, chosen, folder)
        paces, hours = self._fleet.paces(chosen), facts.hours_of(self._db, chosen, self._clock())
        told, told_said = facts.polls_of(self._db, self._fleet, chosen, self._poll_s)
        lines, said = facts.lines([devices[device] for device in chosen], paces, hours, told, per)
        takes, takes_said = facts.figures_of(self._planner.fit(*fitted), planned.plan, chosen)
        rate, rate_said = facts.failure_rate(self._db)
        asked = facts.requests_of(self._db, planned.release.model, self._clock())
        written = Facts(
            began_at=self._clock(),
            poll_s=self._poll_s,
            failure_rate=rate,
            requests_h=asked.requests_h,
            failed_share=asked.failed_share,
            score=asked.score,
            unsure_share=asked.unsure_share,
            draft=_scaled(draft.rollout, _targets(planned.plan, chosen), len(site_of)),
            budgets={offer.package.target: offer.manifest.budgets for offer in planned.plan.offers.values()},
            devices=tuple(facts.with_figure(line, takes.get(line.id)) for line in lines),
        )
        (folder / FACTS).write_bytes(msgspec.json.encode(written))
        return _shown(
            planned,
            draft,
            len(chosen),
            [*said, told_said, takes_said, rate_said, asked.said, *facts.blind_rules(draft.rollout)],
        )

    def _play(
        self, context: RunContext, draft: RehearsalDraft, folder: Path, badness: Badness | None
    ) -> dict[str, Any]:
        if not (folder / FACTS).exists():  # the hub was killed, and its folder cleaned
            self._copy(draft, folder)
        played = folder / "play"
        shutil.rmtree(played, ignore_errors=True)
        shutil.copytree(folder, played, ignore=shutil.ignore_patterns("play"))
        question = Question(folder=str(played), badness=badness, seed=draft.seed)
        answer = ask(
            "edgewright.sim",
            question,
            RehearsedRun,
            name="the rehearsal",
            folder=played,
            timeout_s=PLAY_S,
            is_cancelled=context.is_cancelled,
        )
        found: dict[str, Any] = msgspec.to_builtins(answer)
        return found


def _label_of_sites(draft: RolloutDraft) -> str:
    labels = [*(budget.per for budget in draft.budgets), *(cap.per for cap in draft.caps), SITE]
    return labels[0]


def _targets(plan: Plan, chosen: list[str]) -> dict[str, str]:
    """Which package each device gets here: the copy, without what devices have measured, might choose another one."""
    return {device: plan.offers[device].package.target for device in chosen}


def _scaled(draft: RolloutDraft, target_of: dict[str, str], count: int) -> RolloutDraft:
    draft = msgspec.structs.replace(draft, group=GROUP, target_of=target_of)
    return scale_waves(draft, len(target_of) / count)


def _shown(planned: Planned, draft: RehearsalDraft, simulated: int, said: list[str]) -> dict[str, Any]:
    count = len(planned.plan.offers)
    if simulated < count:
        said = [f"{simulated} of {count} devices were played, by whole sites; counts of waves shrank with them", *said]
    said.append("deltas that are not made yet count as whole files; other rollouts under way are left out")
    shown = {"release": planned.release.id, "group": draft.rollout.group, "devices": count}
    return {**shown, "simulated": simulated, "assumptions": said}
