"""Follows a task that is done elsewhere: hears what it says, cancels it, and tells how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgewright.contract.api.tasks import Finished, Task
from edgewright.contract.api.workers import TaskRecord, TaskState
from edgewright.hub.automate.executors.model import IsCancelled, OnLine, waits_for
from edgewright.hub.automate.executors.queue.service import GRACE_S, NEWS, Tasks
from edgewright.hub.automate.executors.queue.workers import Workers
from edgewright.hub.events import Event, Events

LOOK_S = 1.0
CANCELLED = Finished(reason="was cancelled", is_cancelled=True)

Look = Callable[[TaskRecord], None]


class News:
    """Lets threads wait until something happens to a task, in whichever hub."""

    def __init__(self, events: Events) -> None:
        self._changed = threading.Condition()
        events.watch(NEWS, self._ring)

    def wait(self, timeout_s: float) -> None:
        """Until there is news, or `timeout_s` have passed."""
        with self._changed:
            self._changed.wait(timeout_s)

    def _ring(self, _event: Event) -> None:
        with self._changed:
            self._changed.notify_all()


class Following:
    """One way to wait for all tasks that others do."""

    def __init__(self, tasks: Tasks, news: News, clock: Callable[[], float]) -> None:
        self._tasks = tasks
        self._news = news
        self._clock = clock

    def follow(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled, look: Look) -> Finished:
        """Wait for a task that is in the queue. `look` is called now and then, and may end it."""
        told = _Told(on_line)
        while True:
            record = self._tasks.get(task.id)
            told.add(*self._tasks.log(task.id, told.chars))
            if record.state is TaskState.ENDED and record.finished is not None:
                told.flush()
                return record.finished
            if is_cancelled():
                self._tasks.stop(task.id, CANCELLED)
            elif record.taken_at is not None and self._is_late(task, record.taken_at):
                self._tasks.stop(task.id, Finished(reason="did not end in time", where=record.holder))
            else:
                look(record)
                self._news.wait(LOOK_S)

    def _is_late(self, task: Task, taken_at: float) -> bool:
        return self._clock() > taken_at + task.limits.timeout_s + GRACE_S


class ByWorkers:
    """Any machine that runs `edgewright worker run` and has the labels; a task waits until there is one."""

    def __init__(self, tasks: Tasks, workers: Workers, following: Following) -> None:
        self._tasks = tasks
        self._workers = workers
        self._following = following

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """See Executor."""
        self._tasks.put(task)
        said = ""

        def say(word: str) -> None:
            nonlocal said
            if word != said:
                said = word
                on_line(f"[{word}]")

        def look(record: TaskRecord) -> None:
            self._tasks.free_lost()
            say(_by(record) if record.state is TaskState.TAKEN else self._waiting(task))

        finished = self._following.follow(task, on_line, is_cancelled, look)
        if (record := self._tasks.get(task.id)).holder:  # it may have been done between two looks
            say(_by(record))
        return finished

    def _waiting(self, task: Task) -> str:
        why = waits_for(task, self._workers.workers())
        self._tasks.say_why(task.id, why)
        return why


def _by(record: TaskRecord) -> str:
    return f"done by worker {record.holder}"


class _Told:
    """Text that comes in pieces, told in whole lines."""

    def __init__(self, on_line: OnLine) -> None:
        self.chars = 0
        self._on_line = on_line
        self._rest = ""

    def add(self, text: str, chars: int) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        self.chars = chars
        for line in lines:
            self._on_line(line)

    def flush(self) -> None:
        if self._rest:
            self._on_line(self._rest)
            self._rest = ""
