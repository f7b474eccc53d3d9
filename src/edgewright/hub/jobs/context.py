"""A run, seen from inside its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbos import DBOS

from edgewright.contract.api import RunState

if TYPE_CHECKING:
    from edgewright.hub.jobs.service import Jobs

Body = Callable[["RunContext"], dict[str, Any]]
"""What a run does: it returns a JSON object. All its effects lie in `context.step`, each of which can be repeated."""


class RunContext:
    """A run, seen from inside its body. `started_at` is in seconds since the epoch."""

    def __init__(self, jobs: Jobs, run_id: str, args: dict[str, Any], started_at: float) -> None:
        self.id = run_id
        self.args = args
        self.started_at = started_at
        self._jobs = jobs

    def step(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        """Do one step once: after a crash its saved result (JSON) is returned instead of doing it again.

        A crash inside a step repeats the step, so it must be safe to repeat. While the database is away, it waits.
        """
        return DBOS.run_step({"name": name}, self._jobs.patiently, act, *args)

    def wait(self, timeout_s: float) -> bool:
        """Sleep durably until somebody calls `Jobs.wake` on this run, or `timeout_s` has passed. True if woken."""
        return DBOS.recv("wake", timeout_seconds=timeout_s) is not None

    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled this run: what is under way shall end."""
        return self._jobs.patiently(self._jobs.state, self.id) is RunState.CANCELLED

    def report(
        self, step: str, fraction: float | None = None, *, state: RunState = RunState.RUNNING, log: str = ""
    ) -> None:
        """Show people how far this run is; `log` is appended."""
        self._jobs.note_patiently(self.id, step=step, fraction=fraction, state=state, log=log)
