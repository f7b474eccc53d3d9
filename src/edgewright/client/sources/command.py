"""Runs the user's own export command on the user's machine, under limits, and takes what it left.

The command finds its weights in EW_SOURCE and leaves a model at EW_OUTPUT. It may do whatever its author may; the
limits are against accidents: time, memory of the machine, and the size of files.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.client.sources.model import FIELD, ExportFailed, Source
from edgewright.client.transport import describe_file
from edgewright.contract.api import Export
from edgewright.contract.errors import InvalidInput
from edgewright.contract.sources import MAX_SOURCE_BYTES

MODEL_FILE = "model.onnx"
TIMEOUT_S = 600.0
FILE_BYTES = 4 * MAX_SOURCE_BYTES
"""What a file that the command writes may have: enough for a model that is too large to be refused by its size."""
LINES_TOLD = 8
PRINTED = "export"

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class ExportCommand:
    """What makes a model of weights: words as a shell takes them apart, run in `folder` for at most `timeout_s`."""

    command: str
    folder: Path = Path()
    timeout_s: float = TIMEOUT_S
    on_line: OnLine | None = None


def by_command(weights: Path, export: ExportCommand, folder: Path) -> Source:
    """Run the command on `weights` and return the model that it left in `folder`.

    Raises InvalidInput for weights or a command that do not exist, and ExportFailed where it leaves no model.
    """
    described = describe_file(weights, weights.name)
    output = folder / MODEL_FILE
    _run(export, {"EW_SOURCE": str(weights.resolve()), "EW_OUTPUT": str(output)})
    if not output.is_file() or output.stat().st_size == 0:
        found = "an empty file" if output.is_file() else "nothing"
        raise ExportFailed(f"the export command ended well and left {found} at EW_OUTPUT", field=PRINTED)
    return Source(output, export=Export(command=export.command, weights=weights.name, weights_sha256=described.sha256))


def _run(export: ExportCommand, variables: dict[str, str]) -> None:
    process = _started(export, variables)
    last: deque[str] = deque(maxlen=LINES_TOLD)
    late = threading.Event()
    clock = threading.Timer(export.timeout_s, _stop, (process, late))
    clock.start()
    try:
        assert process.stdout is not None  # noqa: S101 (PIPE)
        for line in process.stdout:
            last.append(line.rstrip("\n"))
            if export.on_line is not None:
                export.on_line(last[-1])
        status = process.wait()
    finally:
        clock.cancel()
        _stop(process)
        if process.stdout is not None:
            process.stdout.close()
    if late.is_set():
        raise ExportFailed(f"the export command did not end within {export.timeout_s:g} s", field=PRINTED)
    if status != 0:
        raise ExportFailed(f"the export command {_ending(status)}", field=PRINTED, hint=_last_words(last))


def _started(export: ExportCommand, variables: dict[str, str]) -> subprocess.Popen[str]:
    try:
        words = shlex.split(export.command)
    except ValueError as error:
        raise InvalidInput(f"the export command is no line of words: {error}", field=PRINTED) from error
    if not words:
        raise InvalidInput("the export command is empty", field=PRINTED, hint="Write it as 'python export.py'.")
    try:
        process = subprocess.Popen(
            words,
            cwd=export.folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        hint = "It is no shell line: put pipes and `&&` into a script."
        raise InvalidInput(f"cannot start '{words[0]}': {error.strerror or error}", field=PRINTED, hint=hint) from error
    _limit(process.pid)
    return process


def _limit(pid: int) -> None:
    """Cap what the command and its children take. RLIMIT_DATA leaves out the room that drivers only reserve."""
    import resource

    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = {resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_DATA: memory_bytes, resource.RLIMIT_CORE: 0}
    for what, most in limits.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended already
            _, hard = resource.prlimit(pid, what)
            capped = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, what, (capped, capped))


def _stop(process: subprocess.Popen[str], late: threading.Event | None = None) -> None:
    """End the command's whole process group."""
    if late is not None:
        late.set()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(status: int) -> str:
    return f"ended with status {status}" if status > 0 else f"was killed by {signal.Signals(-status).name}"


def _last_words(last: deque[str]) -> str:
    return "\n".join(["It said last:", *(f"  {line}" for line in last)]) if last else "It said nothing."


def needs_command(weights: Path) -> InvalidInput:
    """The refusal of weights that came without a command."""
    return InvalidInput(
        f"{weights.name} holds weights and no model: which computation they belong to stands in your code",
        field=FIELD,
        hint="Add --export 'python export.py': your command reads EW_SOURCE and writes ONNX to EW_OUTPUT, here.",
    )
