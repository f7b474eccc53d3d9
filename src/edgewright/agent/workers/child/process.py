"""One worker process, from the supervisor's end: started within limits, heard, measured, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.agent.disk.vitals import Reading, read_vitals
from edgewright.agent.serve.phases import Phase, decode_phase
from edgewright.agent.states import Active
from edgewright.agent.system import Limits, start_bound
from edgewright.agent.system.cgroup import Group, Groups
from edgewright.agent.system.limits import can_undo_nice, undo_nice
from edgewright.agent.system.lines import MAX_LINE_BYTES, Lines
from edgewright.agent.workers.watch import Bounds, Sample

COMMAND = (sys.executable, "-m", "edgewright.agent.serve.worker")
NICE = 10  # while it loads
MIB = 1024 * 1024
SERVER_BYTES = 64 * MIB  # what a worker takes beside the package's budget: the HTTP server and requests in flight
DATA_FACTOR, UNTOUCHED_BYTES = 2, 512 * MIB  # memory that is asked for and never touched: stacks, arenas, buffers
DEFAULT_BUDGET_BYTES = 512 * MIB
MAX_FILES = 1024
MAX_PROCESSES = 256  # threads count
_TICKS_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class Plan:
    """What a worker is started with. `budget_bytes` is the package's, for Python, the runtime and the model."""

    root: Path
    model: str
    package: Active
    vitals: Path
    listener: int
    budget_bytes: int
    cpus: float
    request_timeout_s: float
    load_timeout_s: float

    @property
    def bounds(self) -> Bounds:
        """What the watch holds it to."""
        rss_bytes = self.budget_bytes + SERVER_BYTES
        return Bounds(rss_bytes, request_timeout_s=self.request_timeout_s, load_timeout_s=self.load_timeout_s)

    @property
    def limits(self) -> Limits:
        """What the kernel holds it to. The resident set is the watch's; here only what could harm at once.

        RLIMIT_DATA counts what was asked for, and a process asks for more than it touches.
        """
        data_bytes = DATA_FACTOR * self.budget_bytes + UNTOUCHED_BYTES
        return Limits(data_bytes=data_bytes, files=MAX_FILES, nice=NICE if can_undo_nice() else 0)


class Worker:
    """A worker that runs, or did. Nothing here blocks but `end`."""

    def __init__(self, plan: Plan, now: float, command: Sequence[str] = COMMAND, groups: Groups | None = None) -> None:
        self.package = plan.package
        self.bounds = plan.bounds
        self.condemned = ""  # why it was killed by us
        self.is_stopped = False  # it was asked to end
        self.is_silent = False  # its standard output has ended, as it does with the process
        self.started_at = now
        self.peak_rss_bytes = 0
        self._vitals = plan.vitals
        self._lines = Lines()
        self._is_niced = plan.limits.nice > 0
        with contextlib.suppress(OSError):  # on a disk that cannot be written, it serves without vitals
            plan.vitals.parent.mkdir(parents=True, exist_ok=True)
        self._process = start_bound(
            [*command, *_arguments(plan)], limits=plan.limits, variables=_ONE_THREAD, descriptors=[plan.listener]
        )
        self.fd = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self.fd, False)
        self._group = _group(groups, plan, self._process)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def lines(self) -> list[Phase]:
        """What it has said since the last call. Raises HostileInput."""
        heard: list[Phase] = []
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, MAX_LINE_BYTES):
                heard += map(decode_phase, self._lines.take(chunk))
            self.is_silent = True
        return heard

    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def settle(self) -> None:
        """It serves: let it be as urgent as others."""
        if self._is_niced:
            undo_nice(self.pid)

    def stop(self) -> None:
        """Ask it to answer what is in flight and to end."""
        self.is_stopped = True
        self._process.send_signal(signal.SIGTERM)

    def kill(self, why: str = "") -> None:
        """End it now; its code comes a moment later."""
        self.condemned = self.condemned or why
        if self._group is None or not self._group.kill():
            self._process.kill()

    def reading(self) -> Reading | None:
        """What its vitals say; None before it has made them."""
        return read_vitals(self._vitals)

    def sample(self, now: float, reading: Reading | None, *, is_loading: bool) -> Sample | None:
        """How it does; None where it has just ended."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            return None
        since_ns = reading.in_flight_since_ns if reading else 0
        self.peak_rss_bytes = max(self.peak_rss_bytes, pages * _PAGE_BYTES)
        return Sample(
            at_s=now,
            rss_bytes=pages * _PAGE_BYTES,
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_S,
            requests=reading.requests if reading else 0,
            in_flight_s=max(0.0, now - since_ns / 1e9) if since_ns else None,
            is_loading=is_loading,
            age_s=now - self.started_at,
        )

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed it for the memory that its group took."""
        return self._group is not None and self._group.oom_kills() > 0

    def bury(self) -> None:
        """Remove what it has left, after its end."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(OSError):
            os.unlink(self._vitals)
        if self._group is not None:
            self._group.kill()  # whatever it has started
            self._group.remove()

    def end(self, timeout_s: float) -> None:
        """Wait for its end so long, then kill it; for the supervisor's own end."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self.bury()


def _arguments(plan: Plan) -> list[str]:
    named = {
        "--root": plan.root,
        "--model": plan.model,
        "--slot": plan.package.slot,
        "--manifest-sha256": plan.package.manifest_sha256,
        "--listen-fd": plan.listener,
        "--vitals": plan.vitals,
    }
    return [str(word) for pair in named.items() for word in pair]


def _group(groups: Groups | None, plan: Plan, process: subprocess.Popen[bytes]) -> Group | None:
    """A control group of its own, where there may be one; a worker without serves as well."""
    if groups is None:
        return None
    memory_bytes = plan.bounds.rss_bytes + SERVER_BYTES  # the watch names the reason if it comes first
    try:
        group = groups.make(plan.vitals.name, memory_bytes=memory_bytes, cpus=plan.cpus, processes=MAX_PROCESSES)
        group.add(process.pid)
    except OSError:
        return None
    return group
