"""A task as it is given to machines that know nothing of Edgewright: one document in which every link has its grant."""

from __future__ import annotations

import hashlib

import msgspec

from edgewright.contract.api.tasks import Task
from edgewright.contract.api.workers import Described, InputLink, TaskRecord
from edgewright.hub.automate.executors.queue import BEAT_S, Scope, Tasks

ANY_DIGEST = "{sha256}"


class Links:
    """Makes the links of tasks, all to this hub, by the address at which machines elsewhere reach it."""

    def __init__(self, tasks: Tasks, public_url: str) -> None:
        self._tasks = tasks
        self._url = f"{public_url.rstrip('/')}/api/v1/tasks"

    def describe(self, record: TaskRecord, task: Task) -> Described:
        """The task with its links; the same each time for one attempt."""
        doors = f"{self._url}/{task.id}"
        read, write, end = (self._tasks.grant(record, task, one) for one in (Scope.READ, Scope.WRITE, Scope.END))
        return Described(
            task=task,
            inputs=tuple(
                InputLink(
                    path=file.path,
                    sha256=file.sha256,
                    size_bytes=file.size_bytes,
                    url=f"{doors}/inputs/{file.sha256}?grant={read}",
                )
                for file in task.inputs
            ),
            output_url=f"{doors}/outputs/{ANY_DIGEST}?grant={write}",
            beat_url=f"{doors}/beat?grant={write}",
            end_url=f"{doors}/end?grant={end}",
            beat_s=BEAT_S,
        )

    def link(self, record: TaskRecord, task: Task) -> tuple[str, str]:
        """Where the description lies, and its SHA-256."""
        read = self._tasks.grant(record, task, Scope.READ)
        body = encoded(self.describe(record, task))
        return f"{self._url}/{task.id}/described?grant={read}", hashlib.sha256(body).hexdigest()


def encoded(described: Described) -> bytes:
    """The bytes that are digested and sent."""
    return msgspec.json.encode(described)
