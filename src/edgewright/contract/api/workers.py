"""Machines that run tasks for a hub, and what the two say to each other."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from edgewright.contract.api.tasks import Finished, Task, Where
from edgewright.contract.wire import Count, Share, SizeBytes, Word

MAX_LOG_CHARS = 64_000
"""How much of a task's log is kept, and how much of it one request may carry: the newest."""

Labels = Annotated[dict[str, str], msgspec.Meta(max_length=32)]
LogText = Annotated[str, msgspec.Meta(max_length=MAX_LOG_CHARS)]


class TaskState(StrEnum):
    WAITING = "waiting"  # `why` says for what
    TAKEN = "taken"
    ENDED = "ended"


class WorkerState(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    AWAY = "away"  # it has not asked for a while
    DRAINING = "draining"  # it finishes what it has, and gets nothing more


class WorkerDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine that may run tasks: of these models (all where there are none), with labels that it cannot change."""

    name: str
    labels: dict[str, str] = {}
    models: tuple[str, ...] = ()
    ttl_s: float = 365 * 86_400.0  # how long its token is good


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A worker: `labels` are those given here and those that it tells of itself."""

    name: str
    state: WorkerState
    labels: dict[str, str]
    models: tuple[str, ...]
    task: str  # "" where it has none
    cpus: int
    memory_bytes: int
    program: str  # the version of Edgewright there
    created_by: str
    created_at: float
    expires_at: float
    seen_at: float | None = None


class WorkerReply(msgspec.Struct, frozen=True, kw_only=True):
    """A new worker with its token, which is shown once."""

    worker: WorkerRecord
    token: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker tells of itself."""

    labels: Labels = {}
    cpus: Count = 0
    memory_bytes: Count = 0
    program: Word = ""


class WorkAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A worker asks for a task, and waits up to `wait_s` for one."""

    machine: Machine = Machine()
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0.0


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A task, for as long as its holder beats: every `beat_s`, before `lease_s` have passed.

    `grant` opens the task's doors.
    """

    task: Task
    attempt: int
    grant: str
    lease_s: float
    beat_s: float


class WorkReply(msgspec.Struct, frozen=True, kw_only=True):
    lease: Lease | None = None
    is_draining: bool = False  # there will be no more: end


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life with what the command has said: `log` follows the first `log_from` characters of it."""

    log: LogText = ""
    log_from: Count = 0
    fraction: Share | None = None


class BeatReply(msgspec.Struct, frozen=True, kw_only=True):
    is_wanted: bool  # False: end the command
    log_to: int  # so many characters of the log are known here


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody gives a task back that another shall do."""

    why: Word = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload left at the hub."""

    sha256: str
    size_bytes: SizeBytes


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is not done by the hub itself: where it is, and how often it has been begun."""

    id: str
    run: str
    model: str
    step: str
    where: Where
    state: TaskState
    why: str  # what it waits for, or how it ended
    holder: str  # the worker, or the job
    attempt: int
    queued_at: float
    taken_at: float | None = None
    ended_at: float | None = None
    finished: Finished | None = None


class InputLink(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    sha256: str
    size_bytes: int
    url: str


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A task for a machine that knows nothing of Edgewright: every URL carries its own grant.

    `{sha256}` in `output_url` stands for the digest of what is put there.
    """

    task: Task
    inputs: tuple[InputLink, ...]
    output_url: str
    beat_url: str
    end_url: str
    beat_s: float
