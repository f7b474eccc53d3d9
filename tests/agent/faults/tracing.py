"""Stops a child process at its system calls: to count them, to note them, to fail them, to kill it between any two.

Linux only, by ptrace(2) through ctypes. What a call is and what it gave comes from PTRACE_GET_SYSCALL_INFO (Linux 5.3),
which is the same on every architecture; only numbers and, to change a call, registers differ.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

MARK = "/~rig/"  # `mark` asks for a file of such a name: the tracer hears it, the disk does not

NUMBERS = {
    "x86_64": {
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9,
        "pread64": 17, "pwrite64": 18, "writev": 20, "access": 21, "sendfile": 40, "fsync": 74, "fdatasync": 75,
        "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86,
        "unlink": 87, "symlink": 88, "getdents64": 217, "openat": 257, "mkdirat": 258, "newfstatat": 262,
        "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "faccessat": 269, "sync_file_range": 277,
        "fallocate": 285, "pwritev": 296, "syncfs": 306, "renameat2": 316, "copy_file_range": 326, "statx": 332,
        "flock": 73, "fadvise64": 221, "sync": 162, "faccessat2": 439,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "pread64": 67, "pwrite64": 68,
        "writev": 66, "sendfile": 71, "fsync": 82, "fdatasync": 83, "truncate": 45, "ftruncate": 46,
        "getdents64": 61, "openat": 56, "mkdirat": 34, "newfstatat": 79, "unlinkat": 35, "renameat": 38, "linkat": 37,
        "symlinkat": 36, "faccessat": 48, "sync_file_range": 84, "fallocate": 47, "pwritev": 70, "syncfs": 267,
        "renameat2": 276, "copy_file_range": 285, "statx": 291, "flock": 32, "fadvise64": 223, "sync": 81,
        "faccessat2": 439,
    },
}  # fmt: skip
NAMES = {number: name for name, number in NUMBERS.get(platform.machine(), {}).items()}
LOOKING = {"access", "faccessat", "faccessat2"}

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype = ctypes.c_long
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_TRACEME, _CONT, _POKEUSER, _SYSCALL, _SETOPTIONS, _SYSCALL_INFO = 0, 7, 6, 24, 0x4200, 0x420E
_TRACESYSGOOD, _TRACECLONE, _TRACESECCOMP, _EXITKILL = 0x1, 0x8, 0x80, 0x100000
_EVENT_CLONE, _EVENT_SECCOMP = 3, 7
_ENTRY, _EXIT, _SECCOMP = 1, 2, 3
_WALL = 0x40000000
_ORIG_RAX, _RAX, _RDX = 15 * 8, 10 * 8, 12 * 8  # struct user_regs_struct, x86-64


class Deed(Enum):
    """What is done at a stop besides going on."""

    KILL = auto()
    HALVE = auto()  # let the call do half of its bytes: only on entering


class Fail(NamedTuple):
    """Let the call not happen, and give this errno."""

    errno: int


Action = Deed | Fail | None


@dataclass(slots=True)
class Call:
    """A system call of the child; `number` counts from 0, `result` is known when it leaves."""

    number: int
    name: str  # '' for one that this module has no name for
    args: tuple[int, ...]
    tid: int
    memory: Memory
    result: int = 0


class Memory:
    """The child's memory, to be read while it is stopped."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)

    def read(self, address: int, size: int) -> bytes:
        return os.pread(self._fd, size, address)

    def text(self, address: int) -> str:
        """A path."""
        found = b""
        while b"\0" not in found:
            size = min(256, 4096 - (address + len(found)) % 4096)
            found += self.read(address + len(found), size)
        return os.fsdecode(found.split(b"\0", 1)[0])

    def close(self) -> None:
        os.close(self._fd)


class Watcher:
    """Sees every call of the child, from the mark 'begin' to the mark 'end'; subclasses say what is done at each."""

    names: frozenset[str] | None = None  # only these stop the child, where it is not None

    def __init__(self) -> None:
        self.marks: list[str] = []

    def enters(self, call: Call) -> Action:
        return None

    def leaves(self, call: Call) -> Action:
        return None

    def hears(self, mark: str) -> None:
        self.marks.append(mark)


class Ending(NamedTuple):
    """How a traced child ended."""

    calls: int
    was_killed: bool
    error: str  # the traceback of what the child raised


def mark(text: str) -> None:
    """Tell whoever traces this process; nothing else happens."""
    os.access(MARK + text, os.F_OK)


def trace(act: Callable[[], None], watcher: Watcher) -> Ending:
    """Do `act` in a forked child, under `watcher`."""
    hear, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_traced(act, watcher, tell)
    os.close(tell)
    try:
        calls, was_killed = _Tracer(pid, watcher).run()
        error = b""
        while chunk := os.read(hear, 65536):
            error += chunk
    finally:
        os.close(hear)
    return Ending(calls, was_killed, error.decode())


def apart(act: Callable[[], str]) -> str:
    """What `act` says in a forked child: a fresh process, as after a reboot. What it raises is said, too."""
    hear, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = act()
        except BaseException:
            said = traceback.format_exc()
        os.write(tell, said.encode()[-60_000:])
        os._exit(0)
    os.close(tell)
    said = b""
    while chunk := os.read(hear, 65536):
        said += chunk
    os.close(hear)
    _, status = os.waitpid(pid, 0)
    return said.decode() or ("" if status == 0 else f"the process ended with status {status}")


def _be_traced(act: Callable[[], None], watcher: Watcher, tell: int) -> None:
    try:
        _LIBC.ptrace(_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        if watcher.names is not None:
            _stop_only_at({NUMBERS[platform.machine()].get(name, -1) for name in watcher.names | LOOKING})
        mark("begin")
        try:
            act()
        except BaseException:
            mark("end")
            os.write(tell, traceback.format_exc().encode()[-60_000:])
        mark("end")
    finally:
        os._exit(0)


class _Tracer:
    def __init__(self, pid: int, watcher: Watcher) -> None:
        self._pid = pid
        self._watcher = watcher
        self._is_on = False
        self._count = 0
        self._calls: dict[int, Call] = {}  # those that have entered and not left, by thread
        self._planned: dict[int, Fail] = {}
        self._memory: Memory | None = None
        self._info = (ctypes.c_uint64 * 11)()
        self._go = _CONT if watcher.names is not None else _SYSCALL

    def run(self) -> tuple[int, bool]:
        os.waitpid(self._pid, 0)
        options = _TRACESYSGOOD | _TRACECLONE | _EXITKILL | (_TRACESECCOMP if self._go == _CONT else 0)
        _ask(_SETOPTIONS, self._pid, 0, options)
        self._memory = Memory(self._pid)
        _ask(self._go, self._pid, 0, 0)
        try:
            return self._follow()
        finally:
            self._memory.close()

    def _follow(self) -> tuple[int, bool]:
        was_killed = False
        while True:
            try:
                tid, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                return self._count, was_killed
            if not os.WIFSTOPPED(status):
                was_killed |= os.WIFSIGNALED(status)
                continue
            go = self._stopped(tid, status)
            try:
                _ask(*go)
            except ProcessLookupError:
                continue

    def _stopped(self, tid: int, status: int) -> tuple[int, int, int, int]:
        number, event = os.WSTOPSIG(status), status >> 16
        if number == signal.SIGTRAP | 0x80 or event == _EVENT_SECCOMP:
            return self._at_call(tid)
        if event or number == signal.SIGSTOP:  # a thread was born
            return self._go, tid, 0, 0
        return self._go, tid, 0, number

    def _at_call(self, tid: int) -> tuple[int, int, int, int]:
        size = _LIBC.ptrace(_SYSCALL_INFO, tid, ctypes.c_void_p(88), ctypes.byref(self._info))
        if size <= 0:
            return self._go, tid, 0, 0
        kind = self._info[0] & 0xFF
        if kind == _EXIT:
            self._leave(tid, ctypes.c_int64(self._info[3]).value)
            return self._go, tid, 0, 0
        self._enter(tid)
        return _SYSCALL, tid, 0, 0

    def _enter(self, tid: int) -> None:
        assert self._memory is not None
        name = NAMES.get(self._info[3], "")
        args = tuple(self._info[4:10])
        if name in LOOKING and self._heard(args[0 if name == "access" else 1]):
            return
        if not self._is_on:
            return
        call = Call(self._count, name, args, tid, self._memory)
        self._count += 1
        self._calls[tid] = call
        self._do(self._watcher.enters(call), tid)

    def _leave(self, tid: int, result: int) -> None:
        if (call := self._calls.pop(tid, None)) is None:
            return
        if (planned := self._planned.pop(tid, None)) is not None:
            _ask(_POKEUSER, tid, _RAX, -planned.errno)
            result = -planned.errno
        call.result = result
        self._do(self._watcher.leaves(call), tid)

    def _do(self, action: Action, tid: int) -> None:
        if action is Deed.KILL:
            os.kill(self._pid, signal.SIGKILL)
        elif action is Deed.HALVE:
            _ask(_POKEUSER, tid, _RDX, self._calls[tid].args[2] // 2)
        elif isinstance(action, Fail):
            _ask(_POKEUSER, tid, _ORIG_RAX, -1)
            self._planned[tid] = action

    def _heard(self, address: int) -> bool:
        assert self._memory is not None
        path = self._memory.text(address)
        if not path.startswith(MARK):
            return False
        match path.removeprefix(MARK):
            case "begin":
                self._is_on = True
            case "end":
                self._is_on = False
            case said:
                self._watcher.hears(said)
        return True


def _ask(request: int, tid: int, address: int, data: int) -> None:
    if _LIBC.ptrace(request, tid, ctypes.c_void_p(address), ctypes.c_void_p(data)) == -1 and ctypes.get_errno():
        number = ctypes.get_errno()
        ctypes.set_errno(0)
        raise OSError(number, os.strerror(number))


def _stop_only_at(numbers: set[int]) -> None:
    """A seccomp filter: these calls stop for the tracer (SECCOMP_RET_TRACE), all others pass at full speed."""
    wanted = sorted(number for number in numbers if number >= 0)
    load, equal, give = 0x20, 0x15, 0x06
    lines = [struct.pack("HBBI", load, 0, 0, 0)]  # seccomp_data.nr
    lines += [struct.pack("HBBI", equal, len(wanted) - at, 0, number) for at, number in enumerate(wanted)]
    lines += [struct.pack("HBBI", give, 0, 0, 0x7FFF0000), struct.pack("HBBI", give, 0, 0, 0x7FF00000)]
    code = ctypes.create_string_buffer(b"".join(lines))
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code))
    if _LIBC.prctl(38, 1, 0, 0, 0) or _LIBC.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter can be set")


def why_not() -> str:
    """Why nothing can be traced on this machine; '' where it can."""
    if platform.system() != "Linux" or platform.machine() not in NUMBERS:
        return f"no table of system calls for {platform.system()} on {platform.machine()}"
    watcher = Watcher()
    try:
        trace(lambda: mark("here"), watcher)
    except OSError as error:
        return f"ptrace is not allowed here: {errno.errorcode.get(error.errno or 0, error)}"
    return "" if watcher.marks == ["here"] else "ptrace does not tell of system calls here"


def can_inject() -> bool:
    """Whether calls can be changed: that needs the registers of an x86-64."""
    return platform.machine() == "x86_64"
