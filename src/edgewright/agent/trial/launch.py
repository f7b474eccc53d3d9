"""The supervisor's end of a trial: the worker is started, heard line by line, and killed. No numpy here."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgewright.agent.disk import MANIFEST
from edgewright.agent.system import Child, Limits, logs
from edgewright.agent.system.cgroup import Group, Groups
from edgewright.agent.system.lines import Lines
from edgewright.agent.trial.lines import Line, decode_line
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Shadow

SOAK_REQUESTS = 2000
SOAK_S = 10.0
CPU_S = 3600
BENCH_S = 60.0  # a bench takes no longer, whatever it measures
BENCH_CALLS_S = 20.0  # of it for the requests
BENCH_NICE = 10  # what serves goes first
MAX_PROCESSES = 512  # threads count
OVERHEAD_BYTES = 1024 * 1024 * 1024  # interpreter, runtime, and stacks of threads, most of them only reserved
BENCH_COMMAND = (sys.executable, "-m", "edgewright.agent.trial.bench")


class Trial(Protocol):
    """A candidate on trial."""

    def lines(self) -> list[Line]:
        """What the worker has said since the last call. Raises HostileInput."""
        ...

    def ending(self) -> str:
        """'' while the worker runs, then how it ended."""
        ...

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once there is something to hear."""
        ...

    def kill(self) -> None:
        """End it now, and wait for its end."""
        ...


class Trials(Protocol):
    """Starts trials."""

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> Trial:
        """Try the package in `slot`; with `shadow`, also against the one in `active`, heard on `socket`."""
        ...


class TrialWorkers:
    """Trials in processes of their own: a model that crashes its runtime takes nobody with it.

    A worker soaks its candidate with so many requests or for so long, whichever ends first. It may use the processors
    for `cpu_s`, and memory to the package's budget and as much again as interpreter and runtime may need.
    """

    def __init__(
        self,
        command: Sequence[str] = (sys.executable, "-m", "edgewright.agent.trial.worker"),
        *,
        soak_requests: int = SOAK_REQUESTS,
        soak_s: float = SOAK_S,
        cpu_s: int = CPU_S,
        groups: Groups | None = None,
    ) -> None:
        self._command = command
        self._soak = ["--soak-requests", str(soak_requests), "--soak-s", str(soak_s)]
        self._cpu_s = cpu_s
        self._groups = groups

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> Trial:
        """Start a worker."""
        arguments = ["--slot", str(slot), "--active", str(active or ""), *self._soak]
        cpu_s = self._cpu_s
        if shadow is not None and active is not None:
            cpu_s += math.ceil(shadow.max_wait_s) * (os.cpu_count() or 1)
            arguments += ["--shadow-socket", str(socket), "--min-requests", str(shadow.min_requests)]
            arguments += ["--max-wait-s", str(shadow.max_wait_s)]
        data_bytes = _data_bytes(slot)
        limits = Limits(data_bytes=data_bytes, cpu_s=cpu_s)
        return Worker([*self._command, *arguments], limits, self._group(slot.parent.name, data_bytes))

    def measure(self, place: Path, manifest_sha256: str, calls: int) -> Trial:
        """Start a worker that measures the package in `place`, which must have that manifest; it tells a BenchResult.

        It gives way to whatever serves, and is to be killed after BENCH_S.
        """
        arguments = ["--place", str(place), "--manifest-sha256", manifest_sha256]
        arguments += ["--calls", str(calls), "--time-s", str(BENCH_CALLS_S)]
        data_bytes = _data_bytes(place)
        limits = Limits(data_bytes=data_bytes, cpu_s=math.ceil(BENCH_S) * (os.cpu_count() or 1), nice=BENCH_NICE)
        return Worker([*BENCH_COMMAND, *arguments], limits, self._group("bench", data_bytes))

    def _group(self, model: str, memory_bytes: int) -> Group | None:
        """A control group for the worker and what it starts, where the agent may make one."""
        if self._groups is None:
            return None
        try:
            return self._groups.make(f"trial-{model}", memory_bytes=memory_bytes, processes=MAX_PROCESSES)
        except OSError as error:
            logs.warn("a trial goes without a control group", reason=str(error))
            return None


class Worker:
    """A running worker process, and all that it starts if it has a control group."""

    def __init__(self, command: Sequence[str], limits: Limits, group: Group | None = None) -> None:
        self._child = Child(command, limits=limits)
        self._group = group
        self._lines = Lines()
        if group is not None:
            with contextlib.suppress(OSError):  # it has ended already, or the group is gone: the other limits hold
                group.add(self._child.pid)

    def lines(self) -> list[Line]:
        """What it has said since the last call."""
        heard: list[Line] = []
        while chunk := self._child.read():
            heard += map(decode_line, self._lines.take(chunk))
        return heard

    def ending(self) -> str:
        """'' while it runs."""
        code = self._child.code()
        if code is None:
            return ""
        if self._group is not None and self._group.oom_kills():
            return "the worker was killed for the memory that it took"
        return f"the worker was killed by {_signal_name(-code)}" if code < 0 else f"the worker ended with code {code}"

    def waits_on(self) -> tuple[int, ...]:
        """Can be read once it says something, or ends."""
        return self._child.waits_on()

    def kill(self) -> None:
        """End it, and wait for its end."""
        if self._group is not None:
            self._group.kill()
        self._child.kill()
        if self._group is not None:
            self._group.remove()


def _data_bytes(slot: Path) -> int:
    """What the worker may reserve: a leak or a greedy model ends in an error and not in the device's."""
    try:
        budget_bytes = manifests.decode((slot / MANIFEST).read_bytes()).budgets.memory_bytes
    except (OSError, HostileInput):
        budget_bytes = 0
    return 2 * budget_bytes + OVERHEAD_BYTES


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
