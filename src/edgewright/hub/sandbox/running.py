"""Starts one command under limits, listens to it, and leaves none of its process group behind."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from edgewright.hub.sandbox.watching import LOOK_S, Confines, Watch

GIB = 1024**3
MAX_OUTPUT_BYTES = 256 * 1024
PYTHON = (sys.executable, "-B", "-P", "-s")
"""How to start Python code in a sandbox: no byte code written, nothing imported from the working folder."""

_CONFINE = str(Path(__file__).with_name("confine.py"))


@dataclass(frozen=True)
class Finished:
    """How a command ended. `returncode` is negative for a signal; `output` is the end of stdout and stderr together."""

    returncode: int
    output: str
    timed_out: bool
    is_cancelled: bool = False
    took_too_much: str = ""
    """What it was ended for, or had done by its end, in words that follow its name."""

    @property
    def is_ok(self) -> bool:
        """Whether it ended by itself with exit status 0, within its limits."""
        return self.returncode == 0 and not (self.timed_out or self.is_cancelled or self.took_too_much)

    def explain(self) -> str:
        """Say how it failed, in words that follow its name."""
        if self.is_cancelled:
            return "was cancelled"
        if self.timed_out:
            return "did not end in time"
        if self.took_too_much:
            return self.took_too_much
        if self.returncode < 0:
            return f"was killed by {signal.Signals(-self.returncode).name}"
        return f"ended with status {self.returncode}"


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    env: Mapping[str, str] = MappingProxyType({}),
    memory_bytes: int = 4 * GIB,
    file_bytes: int = 4 * GIB,
    has_network: bool = False,
    hidden: Sequence[Path] = (),
    shown: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    is_cancelled: Callable[[], bool] | None = None,
    confines: Confines | None = None,
) -> Finished:
    """Run `argv` in `cwd` and wait for it, for as long as `is_cancelled`, asked five times a second, says no.

    `env` is the whole environment, apart from PATH, which comes from ours where it is not given. `memory_bytes` caps
    the address space of each process, `file_bytes` the size of each file written. `on_line` hears each line of output
    as it comes, and the last `max_output_bytes` of it are kept. When the command ends, by itself or by `timeout_s`,
    its whole process group is killed.

    The network is taken away, and the files and folders `hidden` are empty but for what is `shown` of them
    (absolute paths), `cwd` and this Python, where the kernel lets us make namespaces; where it refuses, the command
    has both. With `confines` it is ended for what it takes too much of, can write into their folder alone, sees no
    processes but its own, and leaves none, where the kernel lets us.
    """
    limits = {
        "memory_bytes": memory_bytes,
        "file_bytes": file_bytes,
        "cpu_s": int(timeout_s * (os.cpu_count() or 1)) + 1,
        "processes": confines.processes if confines else 0,
        "has_network": has_network,
        "writable": str(confines.folder.resolve()) if confines else "",
        "hidden": [str(path) for path in hidden if path.exists()],
        "shown": [str(path) for path in (cwd.resolve(), Path(sys.prefix), *shown)],
    }
    launcher = [sys.executable, "-I", "-S", "-B", _CONFINE, json.dumps(limits), *argv]
    process = subprocess.Popen(
        launcher,
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", os.defpath), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 (PIPE above)
    try:
        deadline = time.monotonic() + timeout_s
        wanted = _Wanted(deadline, is_cancelled, Watch(confines, process.pid) if confines else None)
        output = _listen(process, process.stdout, wanted, on_line, max_output_bytes)
    finally:
        _kill_group(process)
        process.stdout.close()
    wanted.look_back()
    text = output.decode("utf-8", "replace")
    return Finished(process.returncode, text, wanted.is_late, wanted.is_cancelled, wanted.took_too_much)


class _Wanted:
    """Whether a command shall go on: its time is not up, it has not taken too much, and nobody has cancelled it."""

    def __init__(self, deadline: float, is_cancelled: Callable[[], bool] | None, watch: Watch | None) -> None:
        self.is_late = self.is_cancelled = False
        self.took_too_much = ""
        self._watch = watch
        self._deadline = deadline
        self._ask = is_cancelled
        self._look_at = time.monotonic() + LOOK_S

    def left_s(self) -> float:
        """How long to wait for the command before asking again; 0 if it shall end."""
        now = time.monotonic()
        self.is_late = now >= self._deadline
        if self._ask is not None and now >= self._look_at:
            self.is_cancelled = self._ask()
            self._look_at = now + LOOK_S
        if self._watch is not None:
            self.took_too_much = self._watch.look()
        is_over = self.is_late or self.is_cancelled or self.took_too_much
        return 0.0 if is_over else min(self._deadline - now, LOOK_S)

    def look_back(self) -> None:
        """See once more what it has left, now that it has ended."""
        if self._watch is not None and not self.took_too_much:
            self.took_too_much = self._watch.look(is_last=True)


def _listen(
    process: subprocess.Popen[bytes],
    pipe: IO[bytes],
    wanted: _Wanted,
    on_line: Callable[[str], None] | None,
    max_output_bytes: int,
) -> bytes:
    """Collect output until the command ends or is no longer wanted. Returns its tail."""
    os.set_blocking(pipe.fileno(), False)
    tail, line = b"", b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left_s := wanted.left_s()) > 0:
            has_ended = process.poll() is not None  # asked first: all that it wrote is then in the pipe
            if not selector.select(0 if has_ended else left_s):
                if has_ended:  # and a stray child holds the pipe
                    return tail
                continue
            chunk = os.read(pipe.fileno(), 65536)
            tail = (tail + chunk)[-max_output_bytes:]
            *lines, line = (line + chunk).split(b"\n")
            _tell(on_line, lines)
            line = line[-MAX_OUTPUT_BYTES:]
            if not chunk:
                _tell(on_line, [line] if line else [])
                _await_end(process, wanted)
                break
    return tail


def _tell(on_line: Callable[[str], None] | None, lines: list[bytes]) -> None:
    if on_line is not None:
        for line in lines:
            on_line(line.decode("utf-8", "replace"))


def _await_end(process: subprocess.Popen[bytes], wanted: _Wanted) -> None:
    while process.poll() is None and (left_s := wanted.left_s()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(left_s)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
