"""Child processes that never outlive the agent, and take no more than they are given."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edgewright.agent.system.limits import NONE, Limits

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def start_bound(
    command: Sequence[str],
    *,
    limits: Limits = Limits(),
    variables: Mapping[str, str] = MappingProxyType({}),
    descriptors: Sequence[int] = (),
    file_bytes: int = NONE,
    memory_bytes: int = NONE,
) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when the thread that started it ends, however that happens.

    It stays within `limits`; `file_bytes` and `memory_bytes` (of address space) are short for the two that most
    children need. `variables` are added to its environment, and it inherits `descriptors`.
    """
    parent = os.getpid()
    bounds = list(limits.kernel_limits())
    bounds += [(resource.RLIMIT_FSIZE, file_bytes)] if file_bytes != NONE else []
    bounds += [(resource.RLIMIT_AS, memory_bytes)] if memory_bytes != NONE else []

    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended while we were being born
            os._exit(1)
        for kind, bound in bounds:
            hard = resource.getrlimit(kind)[1]
            bound = bound if hard == NONE else min(bound, hard)
            resource.setrlimit(kind, (bound, bound))
        if limits.nice:
            os.nice(limits.nice)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=bind,
        pass_fds=tuple(descriptors),
        env={**os.environ, **variables},
    )
