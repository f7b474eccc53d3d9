"""A small script that limits itself and then becomes a command.

The hub has many threads, so nothing may run between fork and exec; this is started afresh instead, and needs
nothing but the standard library:

    python confine.py '{"memory_bytes": ..., ...}' COMMAND ARGUMENT...

Where it shall be `alone`, it stays behind as the first process of a PID namespace: with it, all that the command has
started ends, also what has left its process group and session.
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
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_MS_REC, _MS_PRIVATE, _MS_BIND = 0x4000, 0x40000, 0x1000
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 (where POSIX has it)
_SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 (covered, not used)
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_DAC_READ_SEARCH, _SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _MKNOD = 2, 16, 17, 19, 21, 27
_UNDOING = (_DAC_READ_SEARCH, _SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _MKNOD)
"""Capabilities with which a command of root could undo what is done here; see capabilities(7)."""
_CANNOT_START = 127
_WAITING = 2  # processes that only wait for the command to end
_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)


class Limits(TypedDict):
    """What the command may have; sizes in bytes, `cpu_s` for each process.

    With `writable` it can write there and nowhere else, /tmp is a folder in there, and it is alone. `processes` 0 sets
    no limit.
    """

    memory_bytes: int
    file_bytes: int
    cpu_s: int
    processes: int
    has_network: bool
    hidden: list[str]
    shown: list[str]
    writable: str


def become(limits: Limits, argv: list[str]) -> None:
    """Take on `limits` and replace this process by `argv`."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = (0 if limits["has_network"] else _CLONE_NEWNET) | (_CLONE_NEWNS if limits["hidden"] else 0)
    wanted |= _CLONE_NEWNS | _CLONE_NEWPID if limits["writable"] else 0
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    is_apart = _leave(libc, wanted)
    if limits["hidden"] and not (is_apart and _hide(libc, limits["hidden"], limits["shown"])):
        sys.stderr.write("note: this kernel lets nothing be hidden from the command: it can read the hub's folder\n")
    if limits["writable"]:
        if not (is_apart and _protect(libc, limits["writable"], limits["shown"], limits["memory_bytes"] // 4)):
            sys.stderr.write("note: this kernel lets nothing be protected: the command can write outside its folder\n")
        if is_apart:
            _stay_behind(libc)
    for capability in _UNDOING:
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CPU, limits["cpu_s"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    # what is merely reserved does not count for tasks: accelerators' drivers reserve more than any machine has
    _limit(resource.RLIMIT_DATA if limits["writable"] else resource.RLIMIT_AS, limits["memory_bytes"])
    if limits["processes"] and is_apart:  # else it would count what else this user runs
        _limit(resource.RLIMIT_NPROC, limits["processes"] + _WAITING)  # the kernel lets root pass: the hub counts too
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        sys.stderr.write(f"cannot start {argv[0]}: {error.strerror}\n")
        sys.exit(_CANNOT_START)


def _stay_behind(libc: ctypes.CDLL) -> None:
    """Return in a new process, the command's; end as it ends, with all that it has started."""
    told, tell = os.pipe()
    if first := os.fork():  # outside: it ends as the command did
        os.close(tell)
        status = os.read(told, 16)
        os.waitpid(first, 0)
        _end_as(int(status) if status else int(signal.SIGKILL))
    os.close(told)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _mount(libc, "proc", "/proc", "proc", 0)  # its own processes; where that is refused, it sees ours by other numbers
    if command := os.fork():  # the namespace's first process, which inherits all orphans
        while (ended := os.wait())[0] != command:
            pass
        os.write(tell, str(ended[1]).encode())
        os._exit(0)
    os.close(tell)


def _end_as(status: int) -> None:
    """End as a process of that wait status did, by a signal or with a code."""
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) not in _UNCATCHABLE else None
        _limit(resource.RLIMIT_CORE, 0)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else _CANNOT_START)


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
    outermost = [path for path in hidden if not any(_is_below(path, other) for other in hidden if other != path)]
    if not all(_cover(libc, path) for path in outermost):
        return False
    for path, descriptor in held.items():
        if not os.path.exists(path):
            _make_place(path, is_folder=os.path.isdir(f"/proc/self/fd/{descriptor}"))
            _mount(libc, f"/proc/self/fd/{descriptor}", path, "", _MS_BIND)
        os.close(descriptor)
    os.chdir(here)
    return True


def _protect(libc: ctypes.CDLL, writable: str, shown: Sequence[str], shared_bytes: int) -> bool:
    """Make everything read-only but the folder `writable`, with a /tmp in it. False where mounting is not allowed."""
    here = os.getcwd()
    is_done = _mount(libc, "none", "/", "", _MS_REC | _MS_PRIVATE)
    is_done = is_done and _mount(libc, writable, writable, "", _MS_BIND)
    is_done = is_done and _set_read_only(libc, "/", is_on=True) and _set_read_only(libc, writable, is_on=False)
    if is_done and os.path.isdir(_SHARED_MEMORY):
        _mount(libc, "none", _SHARED_MEMORY, "tmpfs", 0, f"size={shared_bytes}")
    for place in _SCRATCH if is_done else ():
        if os.path.isdir(place) and not any(_is_below(path, place) for path in (writable, *shown)):
            _mount(libc, writable, place, "", _MS_BIND)
    os.chdir(here)
    return is_done


class _MountAttr(ctypes.Structure):
    """See mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def _set_read_only(libc: ctypes.CDLL, path: str, *, is_on: bool) -> bool:
    """All mounts below `path` become read-only, or the one at `path` writable again."""
    wanted = _MountAttr(attr_set=_MOUNT_ATTR_RDONLY) if is_on else _MountAttr(attr_clr=_MOUNT_ATTR_RDONLY)
    flags = _AT_RECURSIVE if is_on else 0
    size = ctypes.sizeof(wanted)
    return bool(libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, ctypes.byref(wanted), size) == 0)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _cover(libc: ctypes.CDLL, path: str) -> bool:
    if os.path.isdir(path):
        return _mount(libc, "none", path, "tmpfs", 0)
    return _mount(libc, os.devnull, path, "", _MS_BIND)


def _make_place(path: str, *, is_folder: bool) -> None:
    os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
    if not is_folder:
        Path(path).touch()


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int, options: str = "") -> bool:
    words = (source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)
    return bool(libc.mount(*words) == 0)


if __name__ == "__main__":
    become(json.loads(sys.argv[1]), sys.argv[2:])
