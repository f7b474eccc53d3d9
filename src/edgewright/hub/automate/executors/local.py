"""Commands on the hub's own machine: a sandboxed process, in a folder that is gone when it ends."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgewright.contract.api import FileRef
from edgewright.hub.automate.executors.model import Finished, IsCancelled, OnLine, Task
from edgewright.hub.registry import Blobs
from edgewright.hub.sandbox.tasks import perform

NAME = "hub"


class Local:
    """One folder per task under `work_dir`. Of the folders `hidden` a command sees its own alone."""

    def __init__(self, blobs: Blobs, work_dir: Path, hidden: Sequence[Path] = ()) -> None:
        self._blobs = blobs
        self._work_dir = work_dir
        self._hidden = hidden

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """See Executor. A folder that a crash left is emptied first: the command begins anew."""
        return perform(
            task,
            self._work_dir / task.id,
            fetch=self._fetch,
            keep=self._keep,
            where=NAME,
            on_line=on_line,
            is_cancelled=is_cancelled,
            hidden=self._hidden,
        )

    def _fetch(self, file: FileRef, place: Path) -> None:
        shutil.copyfile(self._blobs.path(file.sha256), place)

    def _keep(self, path: Path, name: str) -> FileRef:
        sha256, size_bytes = self._blobs.put_file(path)
        return FileRef(path=name, sha256=sha256, size_bytes=size_bytes)
