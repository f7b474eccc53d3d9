"""A small script that limits itself and then becomes a command.

The hub has many threads, so nothing may run between fork and exec; this is started afresh instead, and needs
nothing but the standard library:

    python confine.py '{"memory_bytes": ..., ...}' COMMAND ARGUMENT...
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

MAX_OPEN_FILES = 512

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_REC, _MS_PRIVATE, _MS_BIND = 0x4000, 0x40000, 0x1000
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_DAC_READ_SEARCH, _SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _MKNOD = 2, 16, 17, 19, 21, 27
_UNDOING = (_DAC_READ_SEARCH, _SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _MKNOD)
"""Capabilities with which a command of root could undo what is done here; see capabilities(7)."""
_CANNOT_START = 127


class Limits(TypedDict):
    """What the command may have; sizes in bytes, `cpu_s` for each process."""

    memory_bytes: int
    file_bytes: int
    cpu_s: int
    has_network: bool
    hidden: list[str]
    shown: list[str]


def become(limits: Limits, argv: list[str]) -> None:
    """Take on `limits` and replace this process by `argv`."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = (0 if limits["has_network"] else _CLONE_NEWNET) | (_CLONE_NEWNS if limits["hidden"] else 0)
    is_apart = _leave(libc, wanted)
    if limits["hidden"] and not (is_apart and _hide(libc, limits["hidden"], limits["shown"])):
        sys.stderr.write("note: this kernel lets nothing be hidden from the command: it can read the hub's folder\n")
    for capability in _UNDOING:
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CPU, limits["cpu_s"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_AS, limits["memory_bytes"])
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        sys.stderr.write(f"cannot start {argv[0]}: {error.strerror}\n")
        sys.exit(_CANNOT_START)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (capped, capped))


def _leave(libc: ctypes.CDLL, namespaces: int) -> bool:
    """Move to namespaces of our own, through a user namespace where we are not root; False where nobody lets us."""
    if not namespaces or libc.unshare(namespaces) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | namespaces) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return True


def _hide(libc: ctypes.CDLL, hidden: Sequence[str], shown: Sequence[str]) -> bool:
    """Lay nothing over each of `hidden`, and put back what of it is `shown`, of which we hold on until then.

    False where mounting is not allowed.
    """
    here = os.getcwd()
    held = {path: os.open(path, os.O_PATH) for path in sorted(shown)}
    if not _mount(libc, "none", "/", "", _MS_REC | _MS_PRIVATE):
        return False
    if not all(_cover(libc, path) for path in hidden):
        return False
    for path, descriptor in held.items():
        if not os.path.exists(path):
            _make_place(path, is_folder=os.path.isdir(f"/proc/self/fd/{descriptor}"))
            _mount(libc, f"/proc/self/fd/{descriptor}", path, "", _MS_BIND)
        os.close(descriptor)
    os.chdir(here)
    return True


def _cover(libc: ctypes.CDLL, path: str) -> bool:
    if os.path.isdir(path):
        return _mount(libc, "none", path, "tmpfs", 0)
    return _mount(libc, os.devnull, path, "", _MS_BIND)


def _make_place(path: str, *, is_folder: bool) -> None:
    os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
    if not is_folder:
        Path(path).touch()


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int) -> bool:
    return bool(libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, None) == 0)


if __name__ == "__main__":
    become(json.loads(sys.argv[1]), sys.argv[2:])
