"""Machines that run tasks, and the tasks that are done elsewhere than at the hub."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api.workers import TaskRecord, WorkerDraft, WorkerRecord, WorkerReply


class Workers:
    """Who may run tasks for this hub."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def add(self, draft: WorkerDraft, *, dry_run: bool = False) -> WorkerReply:
        """Let a machine run tasks. Its token is in the reply, and nowhere else."""
        return self._hub.post("workers", body=draft, into=WorkerReply, dry_run=dry_run)

    def list(self) -> tuple[WorkerRecord, ...]:
        """All workers, by name."""
        return self._hub.get("workers", into=tuple[WorkerRecord, ...])

    def get(self, name: str) -> WorkerRecord:
        """One worker."""
        return self._hub.get("workers", name, into=WorkerRecord)

    def drain(self, name: str, *, dry_run: bool = False) -> WorkerRecord:
        """Have a worker end once it has done what it has."""
        return self._hub.post("workers", name, "drain", body={}, into=WorkerRecord, dry_run=dry_run)

    def remove(self, name: str, *, dry_run: bool = False) -> WorkerRecord:
        """Take a worker's token back at once; what it had waits for another."""
        return self._hub.delete("workers", name, into=WorkerRecord, dry_run=dry_run)


class Tasks:
    """Steps that workers, a Ray cluster or one's own CI do."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def list(self) -> tuple[TaskRecord, ...]:
        """The newest 200, newest first."""
        return self._hub.get("tasks", into=tuple[TaskRecord, ...])

    def get(self, id: str) -> TaskRecord:
        """One task."""
        return self._hub.get("tasks", id, into=TaskRecord)
