"""What every place that runs commands promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgewright.contract.api.tasks import HERE, Finished, Limits, Place, Task, Where

__all__ = ["HERE", "Executor", "Finished", "Limits", "Place", "Task", "Where"]


class Executor(Protocol):
    """A place that runs commands: one file per kind."""

    def run(self, task: Task, on_line: Callable[[str], None], is_cancelled: Callable[[], bool]) -> Finished:
        """Run a task and wait for it; what it left is in the hub's blobs when this returns.

        It is asked again, with the same task, after a crash of the hub: work that goes on elsewhere is then waited
        for, and not begun twice. What the command does is told by what is returned; nothing is raised for it.
        """
