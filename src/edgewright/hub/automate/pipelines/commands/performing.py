"""Runs of their own for what takes long: training, and commands of the user's. They queue for a place of the hub."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import FileRef, PipelineDraft, RunRecord, StepDraft
from edgewright.contract.api.tasks import Place
from edgewright.hub.automate.executors import Executor
from edgewright.hub.automate.pipelines.commands.listening import Listening
from edgewright.hub.automate.pipelines.commands.results import check_ended
from edgewright.hub.automate.pipelines.commands.tasks import OUTPUT, task_of
from edgewright.hub.automate.pipelines.commands.training import Training, Work
from edgewright.hub.automate.pipelines.job import LOOK_AGAIN_S
from edgewright.hub.automate.pipelines.model import StepFailed
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.jobs import ENDED, Jobs, RunContext

ELSEWHERE = "-elsewhere"
"""After the kind of a run whose work another machine does: it takes none of this hub's places."""
TRAIN, STEP = "train", "step"


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a command is about: its arguments."""

    pipeline: PipelineDraft
    step: StepDraft
    snapshot: str
    files: tuple[FileRef, ...]
    run: str


class Performing:
    """Starts these runs and performs them."""

    look_again_s = LOOK_AGAIN_S

    def __init__(
        self, db: Database, jobs: Jobs, data: Data, executor: Executor, listening: Listening, training: Training
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._data = data
        self._executor = executor
        self._listening = listening
        for kind, body in ((TRAIN, training.body), (STEP, self.body)):
            jobs.define(kind, body)
            jobs.define(f"{kind}{ELSEWHERE}", body, is_heavy=False)

    def start_errand(self, run_id: str, errand: Errand) -> None:
        """Queue the run of a command. The same `run_id` again changes nothing."""
        self._start(run_id, STEP, errand.pipeline.model, errand.step, errand)

    def start_training(self, run_id: str, work: Work) -> None:
        """Queue a training run that is a part of a pipeline's. The same `run_id` again changes nothing."""
        self._start(run_id, TRAIN, work.pipeline.model, work.step, work)

    def queue_training(self, connection: sa.Connection, work: Work, why: str) -> str:
        """Queue a training run that stands alone, in this transaction; returns its id."""
        kind = _kind(TRAIN, work.step)
        return self._jobs.start(connection, kind, work.pipeline.model, msgspec.to_builtins(work), why=why)

    def has_ended(self, run_id: str) -> bool:
        """Whether a run has ended, however."""
        return self._jobs.state(run_id).is_ended

    def run(self, run_id: str) -> RunRecord:
        """A run."""
        return self._jobs.get(run_id)

    def cancel_parts(self, run_id: str) -> None:
        """End what a cancelled run has started and left at work."""
        for run in self._jobs.runs():
            if run.id.startswith(f"{run_id}-") and run.state not in ENDED:
                self._jobs.cancel(run.id)

    def body(self, context: RunContext) -> dict[str, Any]:
        """Run the command and keep the files that it was to leave; raises StepFailed."""
        errand = msgspec.convert(context.args, Errand)
        context.report(errand.step.name, 0.1)
        done: dict[str, Any] = context.step("command", self._perform, context, errand)
        return done

    def _perform(self, context: RunContext, errand: Errand) -> dict[str, Any]:
        step = errand.step
        task = task_of(
            context.id,
            errand.run,
            errand.pipeline,
            step,
            data=(*self._data.snapshot(errand.snapshot).files, *errand.files),
            parent=None,
            params={**errand.pipeline.params, **step.params},
        )
        finished = self._listening.run(self._executor, task, context, errand.run)
        check_ended(finished, step.command or step.function, f"pipeline.steps.{step.name}.command")
        left = {file.path.removeprefix(f"{OUTPUT}/"): file for file in finished.outputs}
        if missing := [path for path in step.outputs if path not in left]:
            field = f"pipeline.steps.{step.name}.outputs"
            raise StepFailed(f"step '{step.name}' left no {missing[0]} in EW_OUTPUT_DIR", field=field)
        files = [msgspec.structs.replace(left[path], path=path) for path in step.outputs]
        return {"files": msgspec.to_builtins(files), "where": finished.where}

    def _start(self, run_id: str, kind: str, subject: str, step: StepDraft, args: msgspec.Struct) -> None:
        with self._db.write() as connection:
            why = f"step '{step.name}'"
            self._jobs.start(connection, _kind(kind, step), subject, msgspec.to_builtins(args), id=run_id, why=why)


def _kind(kind: str, step: StepDraft) -> str:
    return kind if step.where.kind is Place.LOCAL else f"{kind}{ELSEWHERE}"
