"""Hears a command out: its lines go to its own run's log and to the pipeline's, and a cancelled run ends it."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.contract.api import RunState
from edgewright.contract.api.tasks import Finished, Task
from edgewright.hub.automate.executors import Executor
from edgewright.hub.automate.runlog import RunLog
from edgewright.hub.jobs import Jobs, RunContext


class Listening:
    """Runs tasks for runs."""

    def __init__(self, jobs: Jobs, clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._clock = clock

    def run(self, executor: Executor, task: Task, context: RunContext, above: str) -> Finished:
        """Run a task for the run of `context`, which is a part of the run `above` if that is not ""."""
        own = RunLog(lambda text: context.report(task.step, log=text), self._clock)
        whole = RunLog(lambda text: self._jobs.note_patiently(above, log=text), self._clock)

        def hear(line: str) -> None:
            own.add(line)
            if above:
                whole.add(f"{task.step} | {line}")

        try:
            return executor.run(task, hear, lambda: self.is_cancelled(context, above))
        finally:
            own.flush()
            whole.flush()

    def is_cancelled(self, context: RunContext, above: str) -> bool:
        """Whether the run, or the one that it is a part of, has been cancelled."""
        if context.is_cancelled():
            return True
        return bool(above) and self._jobs.patiently(self._jobs.state, above) is RunState.CANCELLED
