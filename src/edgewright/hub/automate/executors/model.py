"""What every place that runs commands promises, which machine fits which task, and what may come back. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from edgewright.contract.api.tasks import HERE, Finished, Limits, Place, Task, Where
from edgewright.contract.api.workers import MAX_LOG_CHARS, WorkerDraft, WorkerRecord, WorkerState
from edgewright.contract.errors import Conflict, InvalidInput, NotFound, Refused

__all__ = ["HERE", "Executor", "Finished", "Limits", "OnLine", "Place", "Task", "Where"]

MAX_OUTPUTS = 10_000
MAX_REASON_CHARS = 500
MAX_TTL_S = 10 * 366 * 86_400.0
MAX_ATTEMPTS = 3
"""How many workers may be lost over a task before it is taken for the reason."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,62}\Z")

OnLine = Callable[[str], None]
IsCancelled = Callable[[], bool]


class Executor(Protocol):
    """A place that runs commands: one file per kind."""

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """Run a task and wait for it; what it left is in the hub's blobs when this returns.

        It is asked again, with the same task, after a crash of the hub: work that goes on elsewhere is then waited
        for, and not begun twice. What the command does is told by what is returned; nothing is raised for it.
        """
        ...


class UnknownWorker(NotFound):
    code = "unknown_worker"
    hint = "`edgewright worker ls` lists the workers."


class WorkerExists(Conflict):
    code = "worker_exists"
    hint = "Choose another name, or take the old one off: `edgewright worker rm NAME`."


class UnknownTask(NotFound):
    code = "unknown_task"
    hint = "`edgewright worker tasks` lists the tasks."


class LeaseLost(Conflict):
    code = "lease_lost"
    hint = "Throw the work away: somebody else does this task, or nobody wants it any more."


class AlreadyEnded(Conflict):
    code = "already_ended"
    hint = "The first answer counts."


class TooMuchOutput(Refused):
    code = "too_much_output"
    hint = "Leave less, or raise the step's limits.output_bytes."


class NotConfigured(Refused):
    code = "not_configured"


def check_worker(draft: WorkerDraft) -> None:
    """Raise InvalidInput unless a worker of that name, those labels and that lifetime can be made."""
    if not _NAME.match(draft.name):
        hint = "Use lower-case letters, digits and -, at most 40."
        raise InvalidInput(f"{draft.name[:80]!r} is no name for a worker", field="name", hint=hint)
    check_labels(draft.labels)
    if not 0 < draft.ttl_s <= MAX_TTL_S:
        hint = f"Choose more than 0 and at most {MAX_TTL_S:g} seconds."
        raise InvalidInput(f"a token cannot be good for {draft.ttl_s:g} s", field="ttl_s", hint=hint)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise InvalidInput unless these can be labels of a worker."""
    for name, value in labels.items():
        if not (_LABEL.match(name) and _LABEL.match(value)):
            hint = "Names and values are letters, digits and _./-: gpu=true, arch=x86_64."
            raise InvalidInput(f"{name[:80]!r}={value[:80]!r} is no label", field="labels", hint=hint)


def fits(task: Task, labels: Mapping[str, str], models: Sequence[str]) -> bool:
    """Whether a worker with these labels, which may do these models (all if none are named), may do this task."""
    may = not models or task.model in models
    return may and all(labels.get(name) == value for name, value in task.where.labels.items())


def waits_for(task: Task, workers: Sequence[WorkerRecord]) -> str:
    """What a task waits for that no worker has taken: the labels that it wants, and those that there are."""
    wanted = told_labels(task.where.labels) or "any labels"
    living = [one for one in workers if one.state is not WorkerState.AWAY]
    able = [one for one in living if fits(task, one.labels, one.models) and one.state is not WorkerState.DRAINING]
    if able:
        return f"waits for a worker with {wanted}: {', '.join(one.name for one in able)} at work on something else"
    if not living:
        return f"waits for a worker with {wanted}: none is there (edgewright worker add NAME; edgewright worker run)"
    there = "; ".join(_told_worker(task, one) for one in living[:8])
    return f"waits for a worker with {wanted}: there are {len(living)}, and none fits: {there}"


def told_labels(labels: Mapping[str, str]) -> str:
    """Labels as people write them."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def check_finished(task: Task, finished: Finished, brought: Mapping[str, int]) -> None:
    """Raise InvalidInput or TooMuchOutput unless a task can have ended so.

    `brought` holds the sizes of what was uploaded for it, by digest: an output is one of these, lies in a folder that
    was asked for, and all together are no more than the limit.
    """
    if len(finished.outputs) > MAX_OUTPUTS:
        raise TooMuchOutput(f"{len(finished.outputs)} files are more than {MAX_OUTPUTS}", field="outputs")
    for file in finished.outputs:
        if not any(file.path.startswith(f"{folder}/") for folder in task.outputs):
            hint = f"Outputs lie in: {', '.join(task.outputs) or 'nothing'}."
            raise InvalidInput(f"'{file.path[:200]}' was not asked for", field="outputs.path", hint=hint)
        if brought.get(file.sha256) != file.size_bytes:
            hint = "Upload it first, with its own digest and length."
            raise InvalidInput(f"'{file.path[:200]}' was not brought as it says", field="outputs.sha256", hint=hint)
    check_output_size(task, sum(file.size_bytes for file in finished.outputs))


def check_output_size(task: Task, size_bytes: int) -> None:
    """Raise TooMuchOutput where that is more than the task may bring."""
    if size_bytes > task.limits.output_bytes:
        most = task.limits.output_bytes
        raise TooMuchOutput(f"{size_bytes:,} bytes are more than the {most:,} that it may leave", field="outputs")


def bounded(finished: Finished, where: str) -> Finished:
    """As told from outside, kept within bounds; `where` is our own word for who says so."""
    return Finished(
        returncode=finished.returncode,
        reason=_plain(finished.reason) or _fault(finished.returncode),
        is_cancelled=finished.is_cancelled,
        output=finished.output[-MAX_LOG_CHARS:].replace("\x00", ""),
        outputs=finished.outputs,
        where=where,
        environment={_plain(name): _plain(value) for name, value in list(finished.environment.items())[:100]},
    )


def is_repeated(kept: Finished, told: Finished) -> bool:
    """Whether an outcome is the one that is kept, whose output may have been emptied since."""
    return kept == (told if kept.output else msgspec.structs.replace(told, output=""))


def longer_log(log: str, known_chars: int, more: str, more_from: int) -> tuple[str, int]:
    """A log's newest part and its length, once `more` has come, which follows its first `more_from` characters.

    What is known already is not added again; that something is missing between is told.
    """
    gap = max(0, more_from - known_chars)
    told = f"[{gap} characters were left out]\n" if gap else ""
    new = more[max(0, known_chars - more_from) :].replace("\x00", "")
    return (log + told + new)[-MAX_LOG_CHARS:], max(known_chars, more_from + len(more))


def _told_worker(task: Task, one: WorkerRecord) -> str:
    if one.models and task.model not in one.models:
        return f"{one.name} (for other models)"
    drains = ", draining" if one.state is WorkerState.DRAINING else ""
    return f"{one.name} ({told_labels(one.labels) or 'no labels'}{drains})"


def _fault(returncode: int | None) -> str:
    if returncode is None:
        return "did not say how it ended"
    return f"ended with status {returncode}" if returncode else ""


def _plain(text: str) -> str:
    return "".join(char for char in text[:MAX_REASON_CHARS] if char.isprintable())
