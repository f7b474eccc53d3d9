"""Commands on the hub's own machine: a sandboxed process, in a folder that is gone when it ends."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewright.contract.api import FileRef
from edgewright.hub.automate.executors.model import Finished, Task
from edgewright.hub.registry import Blobs
from edgewright.hub.sandbox import Confines, run

NAME = "hub"


class Local:
    """One folder per task under `work_dir`. Of the folders `hidden` a command sees its own alone."""

    def __init__(self, blobs: Blobs, work_dir: Path, hidden: Sequence[Path] = ()) -> None:
        self._blobs = blobs
        self._work_dir = work_dir
        self._hidden = hidden

    def run(self, task: Task, on_line: Callable[[str], None], is_cancelled: Callable[[], bool]) -> Finished:
        """See Executor. A folder that a crash left is emptied first: the command begins anew."""
        folder = (self._work_dir / task.id).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._lay_out(task, folder)
            return self._run_in(folder, task, on_line, is_cancelled)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _lay_out(self, task: Task, folder: Path) -> None:
        for name in ("", task.cwd, *task.folders):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for file in task.inputs:
            place = folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blobs.path(file.sha256), place)

    def _run_in(
        self, folder: Path, task: Task, on_line: Callable[[str], None], is_cancelled: Callable[[], bool]
    ) -> Finished:
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        ended = run(
            task.argv_in(str(folder)),
            cwd=folder / task.cwd,
            env={"PATH": path, **task.env_in(str(folder), cpus=os.cpu_count() or 1, gpus=0)},
            timeout_s=task.limits.timeout_s,
            memory_bytes=task.limits.memory_bytes,
            file_bytes=task.limits.file_bytes,
            hidden=self._hidden,
            shown=[folder],
            on_line=on_line,
            is_cancelled=is_cancelled,
            confines=Confines(folder, task.limits.disk_bytes, task.limits.processes),
        )
        reason = "" if ended.is_ok else ended.explain()
        return Finished(
            returncode=ended.returncode,
            reason=reason,
            is_cancelled=ended.is_cancelled,
            output=ended.output,
            outputs=() if reason else self._outputs(folder, task.outputs),
            where=NAME,
        )

    def _outputs(self, folder: Path, wanted: Sequence[str]) -> tuple[FileRef, ...]:
        """Every plain file under `wanted`; links are left where they are."""
        found = sorted(path for name in wanted for path in (folder / name).rglob("*"))
        return tuple(self._keep(folder, path) for path in found if path.is_file() and not path.is_symlink())

    def _keep(self, folder: Path, path: Path) -> FileRef:
        sha256, size_bytes = self._blobs.put_file(path)
        return FileRef(path=path.relative_to(folder).as_posix(), sha256=sha256, size_bytes=size_bytes)
