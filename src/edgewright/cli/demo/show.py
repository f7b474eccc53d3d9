"""How the demonstration talks: numbered steps with their time, and one line that moves while a step is at work."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from edgewright.cli.output import console

if TYPE_CHECKING:
    from rich.status import Status


class Show:
    """Progress on stderr: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, steps: int) -> None:
        self._console = console(is_talk=True)
        self._steps = steps
        self._number = 0
        self._started = time.monotonic()
        self._status: Status | None = None
        self._title = ""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demonstration began."""
        return time.monotonic() - self._started

    def step(self, title: str) -> AbstractContextManager[Any]:
        """Begin a step."""
        self._number += 1
        self._title = title
        heading = f"[{self.elapsed_s:5.1f} s] {self._number:2}/{self._steps}  {title}"
        self._console.print(heading, style="bold", markup=False, highlight=False)
        if not self._console.is_terminal:
            return nullcontext()
        self._status = self._console.status("")
        return self._status

    def fact(self, text: str) -> None:
        """Say something that stays on the screen."""
        self._console.print(f"              {text}", markup=False, highlight=False, soft_wrap=True)

    def now(self, text: str) -> None:
        """Say what is under way; on a terminal it gives way to the next such line."""
        if self._status is not None:
            self._status.update(f"[dim]{self._title}: {text}[/dim]")
