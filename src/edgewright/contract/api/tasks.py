"""One command to be run on some machine: what goes in and comes back by digest, under limits."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from edgewright.contract.api.data import FileRef

HERE = "{task}"
"""Stands, in a word of the command and in a value of the environment, for the absolute path of the task's folder."""

GIB = 1024**3


class Place(StrEnum):
    """The kinds of places where a task can run."""

    LOCAL = "local"  # a sandboxed process beside the hub
    WORKER = "worker"  # any machine that runs `edgewright worker run` and has the labels
    RAY = "ray"  # a Ray cluster, through its job API
    CI = "ci"  # one's own CI, called by webhook, which calls back


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a task shall run. `labels` are those that a worker must have (`gpu`: "true")."""

    kind: Place = Place.LOCAL
    labels: dict[str, str] = {}


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a task may have. `file_bytes` is for each file, `disk_bytes` for all that it leaves on the disk."""

    timeout_s: float = 600.0
    memory_bytes: int = 8 * GIB
    file_bytes: int = 4 * GIB
    disk_bytes: int = 16 * GIB
    processes: int = 512
    output_bytes: int = 8 * GIB  # all that comes back


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One command. The same `id` again is the same work: who has begun it goes on with it.

    The task's folder is fresh. `inputs` (blobs of the hub) lie in it before the command starts, `folders` are made
    and empty, and every file under `outputs` comes back, under its path from the task's folder.
    """

    id: str
    command: tuple[str, ...]
    run: str = ""
    model: str = ""
    step: str = ""
    env: dict[str, str] = {}
    cwd: str = ""  # relative to the task's folder
    inputs: tuple[FileRef, ...] = ()
    folders: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    limits: Limits = Limits()
    where: Where = Where()

    def argv_in(self, folder: str) -> list[str]:
        """The command for a task whose folder is `folder`, an absolute path."""
        return [word.replace(HERE, folder) for word in self.command]

    def env_in(self, folder: str, *, cpus: int, gpus: int) -> dict[str, str]:
        """The environment of the command on a machine with so many processors and accelerators."""
        machine = {"HOME": folder, "TMPDIR": folder, "SM_NUM_CPUS": str(cpus), "SM_NUM_GPUS": str(gpus)}
        return machine | {name: value.replace(HERE, folder) for name, value in self.env.items()}


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a task ended: fine if `reason` is "", or else in words that follow its name ('did not end in time')."""

    returncode: int | None = None  # negative for a signal; None where it never ran to its end
    reason: str = ""
    is_cancelled: bool = False
    output: str = ""  # the end of stdout and stderr together
    outputs: tuple[FileRef, ...] = ()  # what it left, as blobs of the hub
    where: str = ""  # which machine did it: 'hub', 'worker gpu-1'
    environment: Mapping[str, str] = {}  # versions there, by name, where the machine tells them

    @property
    def is_ok(self) -> bool:
        """Whether it ended by itself with exit status 0, within its limits."""
        return not self.reason
