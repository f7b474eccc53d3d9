"""Notes what a process does to the files below a folder, as its system calls say it, whoever makes them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from faults.tracing import Action, Call, Watcher

CREATES = frozenset({"open", "openat", "creat"})
WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range"})
NAMES = frozenset({"rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat"})
DROPS = frozenset({"unlink", "unlinkat", "rmdir"})
SYNCS = frozenset({"fsync", "fdatasync"})
STRANGE = frozenset({"truncate", "symlink", "symlinkat", "fallocate", "sync", "syncfs", "sync_file_range", "mmap"})
PROT_WRITE, MAP_SHARED = 2, 1
AT_FDCWD = -100


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a folder leads to `inode` from now on; `gone` are names that lead nowhere in the same stroke."""

    folder: int
    name: str
    inode: int
    is_folder: bool = False
    gone: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A name leads nowhere from now on."""

    folder: int
    name: str


@dataclass(frozen=True, slots=True)
class Wrote:
    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    inode: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Synced:
    """What was written to this file, or the names in this folder, are on the disk from now on."""

    inode: int


@dataclass(frozen=True, slots=True)
class Marked:
    text: str


Operation = Named | Dropped | Wrote | Truncated | Synced | Marked


class Strange(AssertionError):
    """A call that this rig has no model for: teach it, or let the agent do without."""


class Noting(Watcher):
    """`operations` in the order in which they ended; files below `root`/run are none that must last."""

    names = CREATES | WRITES | NAMES | DROPS | SYNCS | STRANGE | {"ftruncate"}

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._root = os.path.realpath(root)
        self._above = os.path.dirname(self._root)
        self._is_new = False
        self._gone = 0

    def enters(self, call: Call) -> Action:
        if call.name in CREATES:
            self._is_new = not os.path.lexists(self._path(call, *self._places(call)[0]))
        return None

    def leaves(self, call: Call) -> Action:
        if call.result < 0 and call.result > -4096:
            return None
        if call.name in CREATES:
            self._opened(call)
        elif call.name in WRITES:
            self._wrote(call)
        elif call.name in NAMES:
            self._named(call)
        elif call.name in DROPS:
            self._dropped(call)
        else:
            self._other(call)
        return None

    def hears(self, mark: str) -> None:
        super().hears(mark)
        self.operations.append(Marked(mark))

    def _opened(self, call: Call) -> None:
        path = self._path(call, *self._places(call)[0])
        flags = os.O_CREAT | os.O_TRUNC if call.name == "creat" else call.args[2 if call.name == "openat" else 1]
        if not self._is_mine(path):
            return
        if self._is_new and flags & os.O_CREAT:
            self.operations.append(Named(_inode(os.path.dirname(path)), os.path.basename(path), _inode(path)))
        elif flags & os.O_TRUNC:
            self.operations.append(Truncated(_inode(path), 0))

    def _wrote(self, call: Call) -> None:
        fd = call.args[2] if call.name == "copy_file_range" else call.args[0]
        path = self._open_path(call, fd)
        if not self._is_mine(path) or call.result == 0:
            return
        link = f"/proc/{call.memory.pid}/fd/{fd}"
        offset = call.args[3] if call.name in ("pwrite64", "pwritev") else self._position(call, fd) - call.result
        own = os.open(link, os.O_RDONLY)
        try:
            data = os.pread(own, call.result, offset)
        finally:
            os.close(own)
        self.operations.append(Wrote(os.stat(link).st_ino, offset, data))

    def _named(self, call: Call) -> None:
        places = self._places(call)
        path = self._path(call, *places[-1])
        if not self._is_mine(path):
            return
        gone = None
        if call.name.startswith("rename"):
            source = self._path(call, *places[0])
            gone = (_inode(os.path.dirname(source)), os.path.basename(source))
            if call.name == "renameat2" and call.args[4]:
                raise Strange(f"renameat2 with flags {call.args[4]}")
        folder, is_folder = _inode(os.path.dirname(path)), os.path.isdir(path)
        self.operations.append(Named(folder, os.path.basename(path), _inode(path), is_folder, gone))

    def _dropped(self, call: Call) -> None:
        path = self._path(call, *self._places(call)[0])
        if self._is_mine(path):
            self.operations.append(Dropped(_inode(os.path.dirname(path)), os.path.basename(path)))

    def _other(self, call: Call) -> None:
        if call.name == "mmap":
            is_written = call.args[2] & PROT_WRITE and call.args[3] & MAP_SHARED
            if not is_written or _signed(call.args[4]) < 0:
                return
            if self._is_mine(self._open_path(call, call.args[4])):
                raise Strange("a file that lasts is written through memory")
            return
        if call.name in ("truncate", "symlink", "symlinkat", "sync"):
            if call.name == "sync" or self._is_mine(self._path(call, *self._places(call)[-1])):
                raise Strange(call.name)
            return
        path = self._open_path(call, call.args[0])
        if not self._is_mine(path):
            return
        if call.name in STRANGE:
            raise Strange(call.name)
        inode = os.stat(f"/proc/{call.memory.pid}/fd/{call.args[0]}").st_ino
        self.operations.append(Synced(inode) if call.name in SYNCS else Truncated(inode, call.args[1]))

    def _places(self, call: Call) -> list[tuple[int, int]]:
        """(folder's descriptor, address of the path) of each path among the arguments."""
        args = call.args
        if call.name in ("renameat", "renameat2", "linkat"):
            return [(_signed(args[0]), args[1]), (_signed(args[2]), args[3])]
        if call.name in ("openat", "mkdirat", "unlinkat"):
            return [(_signed(args[0]), args[1])]
        if call.name == "symlinkat":
            return [(_signed(args[1]), args[2])]
        return [(AT_FDCWD, args[0])] + ([(AT_FDCWD, args[1])] if call.name in ("rename", "link", "symlink") else [])

    def _path(self, call: Call, folder: int, address: int) -> str:
        path = call.memory.text(address)
        if not path.startswith("/"):
            link = "cwd" if folder == AT_FDCWD else f"fd/{folder}"
            path = os.path.join(os.readlink(f"/proc/{call.memory.pid}/{link}"), path)
        return os.path.normpath(path)

    def _open_path(self, call: Call, fd: int) -> str:
        try:
            link = f"/proc/{call.memory.pid}/fd/{_signed(fd)}"
            return os.readlink(link) if stat.S_ISREG(os.stat(link).st_mode) or os.path.isdir(link) else ""
        except OSError:
            return ""

    def _position(self, call: Call, fd: int) -> int:
        with open(f"/proc/{call.memory.pid}/fdinfo/{fd}") as facts:
            return int(facts.readline().split()[1])

    def _is_mine(self, path: str) -> bool:
        """Below the folder, the folder itself, or (for its own name) above it."""
        if path.startswith(f"{self._root}/run/"):
            return False
        return path.startswith((f"{self._root}/", f"{self._root} ")) or path in (self._root, self._above)


def _inode(path: str) -> int:
    return os.stat(path, follow_symlinks=False).st_ino


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - 2**32 if number >= 2**31 else number
