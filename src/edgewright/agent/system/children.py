"""Child processes that never outlive the agent, and take no more than they are given."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import MappingProxyType

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def start_bound(
    command: Sequence[str],
    *,
    file_bytes: int = resource.RLIM_INFINITY,
    memory_bytes: int = resource.RLIM_INFINITY,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when this one ends, however that happens.

    It may write no file beyond `file_bytes` and take no more than `memory_bytes` of address space. `variables` are
    added to its environment.
    """
    parent = os.getpid()
    bounds = {resource.RLIMIT_FSIZE: file_bytes, resource.RLIMIT_AS: memory_bytes}

    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended while we were being born
            os._exit(1)
        for kind, bound in bounds.items():
            if bound != resource.RLIM_INFINITY:
                resource.setrlimit(kind, (bound, bound))

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=bind,
        env={**os.environ, **variables},
    )
