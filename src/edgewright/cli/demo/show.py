"""How the demonstration talks: numbered steps with their time, and one line that moves while a step is at work."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from edgewright.cli.output import console

if TYPE_CHECKING:
    from rich.status import Status


INDENT = 6


class Show:
    """Progress on stderr: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, steps: int) -> None:
        self._console = console(is_talk=True)
        self._steps = steps
        self._number = 0
        self._started = time.monotonic()
        self._status: Status | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demonstration began."""
        return time.monotonic() - self._started

    def step(self, title: str) -> AbstractContextManager[Any]:
        """Begin a step."""
        self._number += 1
        heading = f"{self._number:2}/{self._steps}  {title}"
        self._console.print(f"{heading}  ({self.elapsed_s:.0f} s)", style="bold", markup=False, highlight=False)
        if not self._console.is_terminal:
            return nullcontext()
        self._status = self._console.status("")
        return self._status

    def fact(self, text: str) -> None:
        """Say something that stays on the screen."""
        from rich.padding import Padding
        from rich.text import Text

        self._console.print(Padding(Text(text), (0, 0, 0, INDENT)))

    def now(self, text: str) -> None:
        """Say what is under way; on a terminal it gives way to the next such line."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
