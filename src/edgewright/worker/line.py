"""A worker's way to its hub: asking for work, and the doors of the task that it holds."""

from __future__ import annotations

from pathlib import Path

from edgewright.client.transport import Transport, describe_file
from edgewright.contract.api import FileRef
from edgewright.contract.api.tasks import Finished
from edgewright.contract.api.workers import (
    Beat,
    BeatReply,
    GivenBack,
    Lease,
    Machine,
    Stored,
    TaskRecord,
    WorkAsk,
    WorkReply,
)

WAIT_S = 25.0
"""How long the hub may hold a request for work open: shorter than what proxies bear."""


class Line:
    """Requests of one worker. All raise Unreachable, Told (with the hub's own code) and HostileInput."""

    def __init__(self, url: str, token: str) -> None:
        self._hub = Transport(url, token)
        self.url = self._hub.url

    def ask(self, machine: Machine) -> WorkReply:
        """Ask for a task, and wait WAIT_S for one."""
        return self._hub.post("work", body=WorkAsk(machine=machine, wait_s=WAIT_S), into=WorkReply)

    def fetch(self, lease: Lease, file: FileRef, path: Path) -> None:
        """Write an input to a new file, checked against its digest; nothing is left of one that has another."""
        try:
            parts = ("tasks", lease.task.id, "inputs", file.sha256)
            self._hub.save(file.sha256, file.size_bytes, path, *parts, grant=lease.grant)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def bring(self, lease: Lease, path: Path, name: str) -> FileRef:
        """Upload an output under its digest."""
        file = describe_file(path, name)
        parts = ("tasks", lease.task.id, "outputs", file.sha256)
        self._hub.put_file(*parts, path=path, into=Stored, grant=lease.grant)
        return file

    def beat(self, lease: Lease, beat: Beat) -> BeatReply:
        """Say that the task goes on, and what it says."""
        return self._hub.post("tasks", lease.task.id, "beat", body=beat, into=BeatReply, grant=lease.grant)

    def end(self, lease: Lease, finished: Finished) -> TaskRecord:
        """Say how the task ended; it may be said again."""
        return self._hub.post("tasks", lease.task.id, "end", body=finished, into=TaskRecord, grant=lease.grant)

    def give_back(self, lease: Lease, why: str) -> None:
        """Let another do the task."""
        draft = GivenBack(why=why[:200])
        self._hub.post("tasks", lease.task.id, "give-back", body=draft, into=TaskRecord, grant=lease.grant)

    def close(self) -> None:
        """Give the connections back."""
        self._hub.close()
