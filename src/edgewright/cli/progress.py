"""Long work as people see it: bars on a terminal, one line per step elsewhere, all of it on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from edgewright.cli.formats import size
from edgewright.cli.output import console, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from edgewright.client import Upload
    from edgewright.contract.api import RunRecord


class UploadProgress:
    """Bytes of an upload: `with UploadProgress() as progress: create(..., progress)`. `done` says where they are."""

    def __init__(self, done: str = "at the hub") -> None:
        self._done = done
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._last: Upload | None = None

    def __enter__(self) -> UploadProgress:
        return self

    def __call__(self, upload: Upload) -> None:
        self._last = upload
        if not sys.stderr.isatty():
            return
        if self._bars is None:
            self._bars = _byte_bars()
            self._bars.start()
            self._task = self._bars.add_task(upload.path, total=upload.total_bytes)
        if self._task is not None:
            self._bars.update(self._task, completed=upload.sent_bytes, description=upload.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        if self._last is not None and error is None:
            say(f"{size(self._last.total_bytes)} {self._done}")


class ByteProgress:
    """Work on this machine, in bytes of what it makes: `with ByteProgress(title) as tell: work(tell=tell)`.

    `tell(done_bytes, total_bytes)` may be called as often as one likes; off a terminal nothing is shown.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _tell(self, done_bytes: int, total_bytes: int) -> None:
        if not sys.stderr.isatty():
            return
        if self._bars is None:
            self._bars = _byte_bars()
            self._bars.start()
        if self._task is None:
            self._task = self._bars.add_task(self._title, total=total_bytes)
        self._bars.update(self._task, completed=done_bytes, total=total_bytes)


class RunProgress:
    """Runs until they end: their steps and shares done, and with `with_log` what they print."""

    def __init__(self, *, with_log: bool = False) -> None:
        self._with_log = with_log
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._seen: dict[str, RunRecord] = {}

    def __enter__(self) -> RunProgress:
        if sys.stderr.isatty():
            self._bars = _run_bars()
            self._bars.start()
        return self

    def __call__(self, runs: tuple[RunRecord, ...]) -> None:
        for run in runs:
            before = self._seen.get(run.id)
            self._seen[run.id] = run
            if self._with_log:
                self._tell_log(run.log, before.log if before else "")
            if self._bars is not None:
                self._draw(self._bars, run)
            elif before is None or (before.step, before.state) != (run.step, run.state):
                say(f"{run.kind} {run.subject}: {run.state} {run.step}".rstrip())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Tell something while the runs go on: above the bars, where there are any."""
        if self._bars is None:
            say(text)
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _draw(self, bars: Progress, run: RunRecord) -> None:
        if run.id not in self._tasks:
            self._tasks[run.id] = bars.add_task(run.subject, total=1.0, step="")
        completed = 1.0 if run.state == "done" else run.fraction
        bars.update(self._tasks[run.id], completed=completed, step=run.step or run.state)

    def _tell_log(self, log: str, before: str) -> None:
        """Print what is new; a log that was cut at its beginning is printed from where the two differ."""
        new = log[len(before) :] if log.startswith(before) else log
        if new.strip():
            talk = self._bars.console if self._bars is not None else console(is_talk=True)
            talk.print(new.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)


def _byte_bars() -> Progress:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=console(is_talk=True),
        transient=True,
    )


def _run_bars() -> Progress:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=24),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[step]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console(is_talk=True),
    )
