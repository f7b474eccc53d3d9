"""What a child process may take of the machine at most: the kernel's own limits (setrlimit(2)), and how nice it is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NONE = resource.RLIM_INFINITY
_CAP_SYS_NICE = 23
_RLIMIT_NICE_OF_0 = 20  # getrlimit(2): 20 - RLIMIT_NICE is the lowest nice value that may be set


@dataclass(frozen=True)
class Limits:
    """`data_bytes` is the memory that is a process's own (heap, stacks, anonymous maps), whether touched or not;
    `address_bytes` counts mapped files too; `cpu_s` is the time of processors that it may use up.
    No child of the agent dumps core."""

    file_bytes: int = NONE
    address_bytes: int = NONE
    data_bytes: int = NONE
    files: int = NONE
    cpu_s: int = NONE
    nice: int = 0

    def kernel_limits(self) -> Iterator[tuple[int, int]]:
        """Those to be set, by their number in the kernel."""
        yield resource.RLIMIT_CORE, 0
        bounds = {
            resource.RLIMIT_FSIZE: self.file_bytes,
            resource.RLIMIT_AS: self.address_bytes,
            resource.RLIMIT_DATA: self.data_bytes,
            resource.RLIMIT_NOFILE: self.files,
            resource.RLIMIT_CPU: self.cpu_s,
        }
        yield from ((kind, bound) for kind, bound in bounds.items() if bound != NONE)


def can_undo_nice() -> bool:
    """Whether this process may make a child as urgent again as itself: by CAP_SYS_NICE, or by RLIMIT_NICE."""
    if resource.getrlimit(resource.RLIMIT_NICE)[0] >= _RLIMIT_NICE_OF_0 - own_nice():
        return True
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return False
    capable = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return bool(capable >> _CAP_SYS_NICE & 1)


def undo_nice(pid: int) -> None:
    """Make all threads of a process as urgent as this one; where that is not allowed, they stay nice."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), own_nice())
    except OSError:
        return


def own_nice() -> int:
    """How nice this process is."""
    return os.getpriority(os.PRIO_PROCESS, 0)
