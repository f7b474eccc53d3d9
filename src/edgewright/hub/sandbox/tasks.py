"""One task in a folder of this machine, the same beside the hub and at a worker: inputs, command, outputs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from edgewright.contract.api.data import FileRef
from edgewright.contract.api.tasks import Finished, Task
from edgewright.hub.sandbox.running import run
from edgewright.hub.sandbox.watching import Confines

MAX_OUTPUTS = 10_000
_TOLD = ("edgewright", "numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "torch", "xgboost", "lightgbm")

Fetch = Callable[[FileRef, Path], None]
"""Puts the bytes of an input where it says."""
Keep = Callable[[Path, str], FileRef]
"""Keeps an output, whose path in the task's folder it is told."""


def perform(
    task: Task,
    folder: Path,
    *,
    fetch: Fetch,
    keep: Keep,
    where: str,
    on_line: Callable[[str], None],
    is_cancelled: Callable[[], bool],
    hidden: Sequence[Path] = (),
) -> Finished:
    """Do `task` in `folder`, which is emptied first and gone at the end.

    What the command does is told by what is returned; what `fetch` and `keep` raise is passed on.
    """
    folder = folder.resolve()
    remove(folder)
    try:
        _lay_out(task, folder, fetch)
        finished = _run(task, folder, where, on_line, is_cancelled, hidden)
        return _with_outputs(task, folder, finished, keep) if finished.is_ok else finished
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Take a folder away with all that is in it, also what its command has made unreadable."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                os.chmod(place, 0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(task: Task, folder: Path, fetch: Fetch) -> None:
    for name in ("", task.cwd, *task.folders):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for file in task.inputs:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        fetch(file, place)


def _run(
    task: Task,
    folder: Path,
    where: str,
    on_line: Callable[[str], None],
    is_cancelled: Callable[[], bool],
    hidden: Sequence[Path],
) -> Finished:
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    ended = run(
        task.argv_in(str(folder)),
        cwd=folder / task.cwd,
        env={"PATH": path, **task.env_in(str(folder), cpus=os.cpu_count() or 1, gpus=gpus_here())},
        timeout_s=task.limits.timeout_s,
        memory_bytes=task.limits.memory_bytes,
        file_bytes=task.limits.file_bytes,
        hidden=hidden,
        shown=[folder],
        on_line=on_line,
        is_cancelled=is_cancelled,
        confines=Confines(folder, task.limits.disk_bytes, task.limits.processes),
    )
    return Finished(
        returncode=ended.returncode,
        reason="" if ended.is_ok else ended.explain(),
        is_cancelled=ended.is_cancelled,
        output=ended.output,
        where=where,
        environment=versions(),
    )


def _with_outputs(task: Task, folder: Path, finished: Finished, keep: Keep) -> Finished:
    """Keep every plain file under what was asked for; links are left where they are."""
    found = sorted(path for name in task.outputs for path in (folder / name).rglob("*"))
    files = [path for path in found if path.is_file() and not path.is_symlink()]
    size_bytes = sum(path.stat().st_size for path in files)
    if reason := _too_much(len(files), size_bytes, task.limits.output_bytes):
        return Finished(returncode=finished.returncode, reason=reason, output=finished.output, where=finished.where)
    kept = tuple(keep(path, path.relative_to(folder).as_posix()) for path in files)
    return Finished(
        returncode=finished.returncode,
        output=finished.output,
        outputs=kept,
        where=finished.where,
        environment=finished.environment,
    )


def _too_much(files: int, size_bytes: int, most_bytes: int) -> str:
    if files > MAX_OUTPUTS:
        return f"left {files:,} files, more than the {MAX_OUTPUTS:,} that may come back"
    if size_bytes > most_bytes:
        return f"left {size_bytes:,} bytes, more than the {most_bytes:,} that may come back"
    return ""


def gpus_here() -> int:
    """How many accelerators of NVIDIA this machine shows."""
    return len([name for name in os.listdir("/dev") if name.startswith("nvidia") and name[6:].isdecimal()])


def versions() -> dict[str, str]:
    """The versions of Python and of the usual libraries here."""
    found = {"python": sys.version.split()[0]}
    for name in _TOLD:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
