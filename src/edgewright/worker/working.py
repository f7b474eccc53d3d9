"""A worker at work: it asks for a task, does it in the sandbox, brings what it left, and asks again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from edgewright.contract.api import FileRef
from edgewright.contract.api.tasks import Finished
from edgewright.contract.api.workers import Lease, Machine
from edgewright.contract.errors import EdgewrightError, Told, Unreachable
from edgewright.hub.sandbox.tasks import perform, remove
from edgewright.worker.beating import Beating, is_lost
from edgewright.worker.line import Line
from edgewright.worker.store import Store

T = TypeVar("T")
AGAIN_S = (1.0, 30.0)
"""How long to wait for a hub that is away: at first, and at most; doubled each time."""
BRING_S = 3600.0
"""For how long what a task left is offered to a hub that is away."""


class Stopping:
    """How a worker is told to end: `after_task` once it has done what it has, `now` by giving that back.

    `is_idle` says that it has nothing and waits for the hub: then nothing is lost by ending it at once.
    """

    def __init__(self) -> None:
        self.after_task = threading.Event()
        self.now = threading.Event()
        self.is_idle = False

    def ask(self) -> None:
        """End after the task in hand; asked twice, now."""
        self.now.set() if self.after_task.is_set() else self.after_task.set()

    def ask_now(self) -> None:
        """End now."""
        self.after_task.set()
        self.now.set()


class Working:
    """One worker. `folder` is its own, and hidden from tasks together with `hidden`; `say` is told what it does."""

    def __init__(
        self,
        line: Line,
        folder: Path,
        machine: Machine,
        stopping: Stopping,
        *,
        say: Callable[[str], None],
        kept_bytes: int,
        hidden: Sequence[Path] = (),
    ) -> None:
        self.done = 0  # how many tasks it has had
        self._line = line
        self._folder = folder.resolve()
        self._machine = machine
        self._stopping = stopping
        self._say = say
        self._hidden = (self._folder, *hidden)
        self._store = Store(self._folder / "inputs", kept_bytes)
        remove(self._folder / "tasks")

    def run(self, *, is_once: bool = False) -> None:
        """Work until told to stop, or drained; with `is_once` until one task is done.

        Raises Told where the hub does not know this worker, or knows no workers.
        """
        wait_s = AGAIN_S[0]
        while not self._stopping.after_task.is_set():
            self._stopping.is_idle = True
            try:
                reply = self._line.ask(self._machine)
            except Unreachable as error:
                self._say(f"{error.message}; trying again in {wait_s:.0f} s")
                self._stopping.after_task.wait(wait_s)
                wait_s = min(2 * wait_s, AGAIN_S[1])
                continue
            self._stopping.is_idle, wait_s = False, AGAIN_S[0]
            if reply.is_draining:
                self._say("drained: the hub has no more work for this worker")
                break
            if reply.lease is not None:
                self._do(reply.lease)
                self.done += 1
                if is_once:
                    break

    def _do(self, lease: Lease) -> None:
        task = lease.task
        self._say(f"{task.id}: attempt {lease.attempt} of {task.model or 'a model'} {task.step}".rstrip())
        folder = self._folder / "tasks" / hashlib.sha256(task.id.encode()).hexdigest()[:16]
        with Beating(self._line, lease) as beating:
            try:
                finished = perform(
                    task,
                    folder,
                    fetch=lambda file, place: self._fetch(lease, beating, file, place),
                    keep=lambda path, name: self._patiently(beating, lambda: self._line.bring(lease, path, name)),
                    where="worker",
                    on_line=beating.hear,
                    is_cancelled=lambda: beating.is_lost or self._stopping.now.is_set(),
                    hidden=self._hidden,
                )
                beating.beat()
                self._tell(lease, beating, finished)
            except EdgewrightError as error:
                self._give_up(lease, error)

    def _tell(self, lease: Lease, beating: Beating, finished: Finished) -> None:
        if beating.is_lost:
            self._say(f"{lease.task.id}: thrown away: {beating.why}")
        elif finished.is_cancelled:
            self._line.give_back(lease, "this worker was stopped")
            self._say(f"{lease.task.id}: given back")
        else:
            self._patiently(beating, lambda: self._line.end(lease, finished))
            self._say(f"{lease.task.id}: {finished.reason or 'done'}")

    def _give_up(self, lease: Lease, error: EdgewrightError) -> None:
        """Say why the task cannot be done here: another worker may be luckier, but not with what the hub refuses."""
        self._say(f"{lease.task.id}: {error.message}")
        if is_lost(error):
            return
        try:
            if isinstance(error, Told):
                self._line.end(lease, Finished(reason=f"brought what the hub refuses: {error.message}"))
            else:
                self._line.give_back(lease, error.message)
        except EdgewrightError as again:
            self._say(f"{lease.task.id}: {again.message}")  # its lease ends, and another takes it

    def _fetch(self, lease: Lease, beating: Beating, file: FileRef, place: Path) -> None:
        def fetch(wanted: FileRef, path: Path) -> None:
            self._patiently(beating, lambda: self._line.fetch(lease, wanted, path))

        self._store.put(file, place, fetch)

    def _patiently(self, beating: Beating, act: Callable[[], T]) -> T:
        """What `act` returns, tried again while the hub is away, for up to an hour."""
        wait_s, waited_s = AGAIN_S[0], 0.0
        while True:
            try:
                return act()
            except Unreachable:
                if waited_s > BRING_S or beating.is_lost or self._stopping.now.wait(wait_s):
                    raise
                waited_s += wait_s
                wait_s = min(2 * wait_s, AGAIN_S[1])
