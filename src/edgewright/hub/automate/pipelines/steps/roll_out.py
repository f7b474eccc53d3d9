"""Roll out: the release goes to a group in waves; when it is there, the model's alerts are closed."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import RolloutDraft, RolloutState
from edgewright.contract.errors import Refused
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.automate.pipelines.params import RollOutParams, read
from edgewright.hub.db import Database
from edgewright.hub.govern import People
from edgewright.hub.rollout import Rollouts

OnRepaired = Callable[[sa.Connection, str], object]
"""Hears of a model, by name, whose new version is where it should be."""


class RollOut:
    """Starts one rollout of the release, and waits until it has ended."""

    def __init__(self, db: Database, people: People, rollouts: Rollouts, on_repaired: OnRepaired) -> None:
        self._db = db
        self._people = people
        self._rollouts = rollouts
        self._on_repaired = on_repaired

    def inputs(self, job: Job) -> Inputs | None:
        """None: a rollout is never used again."""
        return None

    def holds(self, job: Job, result: Result) -> bool:
        """While it is there."""
        return "rollout" not in result.facts or bool(self._rollouts.rollout(str(result.facts["rollout"])))

    def act(self, job: Job) -> Result:
        """Start, wait, close the alerts; raises Refused where the rollout did not reach its end."""
        params = read(job.step, RollOutParams)
        release = str(job.found.facts["release"])
        if not params.group:
            return Result(skipped=f"no group is named: {release} waits to be rolled out by people")
        rollout: str = job.once("start", self._start, job, release)
        if params.waits:
            job.wait_until(f"rolling out {release}", lambda: self._rollouts.rollout(rollout).state.is_ended)
            job.once("close alerts", self._close_alerts, job.model, rollout)
        return Result(facts={"rollout": rollout}, note=f"{release} to {params.group}")

    def _start(self, job: Job, release: str) -> str:
        for rollout in self._rollouts.rollouts():
            if rollout.release == release:
                return rollout.id
        params = read(job.step, RollOutParams)
        draft = RolloutDraft(release=release, group=params.group, waves=params.waves, gate=params.gate)
        return self._rollouts.start(self._people.named(job.asked.principal), draft).id

    def _close_alerts(self, model: str, rollout: str) -> None:
        record = self._rollouts.rollout(rollout)
        if record.state is not RolloutState.DONE:
            raise Refused(f"rollout {rollout} was {record.state}: {record.reason}", field="rollout")
        with self._db.write() as connection:
            self._on_repaired(connection, model)
