"""Control groups (cgroup v2) for workers, where the agent has been given a part of the tree to itself.

Linux, Documentation/admin-guide/cgroup-v2.rst; who may write where: systemd's CGROUP_DELEGATION. Under systemd a unit
says `Delegate=cpu memory pids`. Where there is no such part, the limits of `Limits` and the watch over vitals do alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgewright.agent.system import logs

MOUNT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
CONTROLLERS = ("memory", "cpu", "pids")
PERIOD_US = 100_000
_SUPERVISOR = "supervisor"
_DELEGATED = ("user.delegate", "trusted.delegate")


class Groups:
    """The part of the tree that is the agent's. What cannot be limited here is simply not limited."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.controllers = _enable(folder)

    @classmethod
    def find(cls, mount: Path = MOUNT, own: Path = OWN) -> Groups | None:
        """The agent's part, if it has one. The agent moves into a leaf of it: only leaves may hold processes."""
        folder = _own_folder(mount, own)
        if folder is not None and folder.name == _SUPERVISOR and _is_given(folder.parent):
            folder = folder.parent  # this process has moved into its leaf before: it begins anew
        if folder is None or not _is_given(folder):
            return None
        try:
            for left in (path for path in folder.iterdir() if path.is_dir()):  # by workers of a former agent
                with contextlib.suppress(OSError):
                    left.rmdir()
            leaf = folder / _SUPERVISOR
            leaf.mkdir(exist_ok=True)
            for pid in (folder / "cgroup.procs").read_text().split():
                _write(leaf / "cgroup.procs", pid)
            groups = cls(folder)
        except OSError as error:
            logs.warn("control groups cannot be used", reason=str(error))
            return None
        logs.say("control groups are used", controllers=" ".join(groups.controllers))
        return groups

    def make(self, name: str, *, memory_bytes: int = 0, cpus: float = 0.0, processes: int = 0) -> Group:
        """A group for one worker; 0 stands for no limit. Raises OSError."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        limits = {
            "memory.max": str(memory_bytes) if memory_bytes else "",
            "memory.swap.max": "0" if memory_bytes else "",
            "memory.oom.group": "1" if memory_bytes else "",
            "cpu.max": f"{round(cpus * PERIOD_US)} {PERIOD_US}" if cpus else "",
            "pids.max": str(processes) if processes else "",
        }
        for file, value in limits.items():
            if value and (folder / file).exists():
                _write(folder / file, value)
        return Group(folder)


class Group:
    """One group and the processes in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, pid: int) -> None:
        """Move a process here. Raises OSError."""
        _write(self._folder / "cgroup.procs", str(pid))

    def kill(self) -> bool:
        """Kill every process of the group at once, also those that a worker has started. False where it cannot."""
        try:
            _write(self._folder / "cgroup.kill", "1")
        except OSError:
            return False
        return True

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed because they took too much memory."""
        try:
            lines = (self._folder / "memory.events").read_text().splitlines()
        except OSError:
            return 0
        counts = dict(line.split(" ", 1) for line in lines if " " in line)
        return int(counts.get("oom_kill", "0"))

    def remove(self) -> None:
        """Remove the group, as far as it is empty."""
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)


def _own_folder(mount: Path, own: Path) -> Path | None:
    """Where this process is in the unified tree (cgroups(7): the line that begins with '0::')."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    inside = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if inside is None or ".." in inside:
        return None
    trees = (mount, mount / "unified")
    tree = next((tree for tree in trees if (tree / "cgroup.controllers").exists()), None)
    return tree / inside if tree is not None else None


def _is_given(folder: Path) -> bool:
    """Whether somebody has left this part of the tree to us, by delegation or by making us its owner.

    The root of the whole tree (the only group without `cgroup.type`) is the system's, whoever runs us.
    """
    if not (folder / "cgroup.type").exists():
        return False
    try:
        is_owned = os.getuid() != 0 and folder.stat().st_uid == os.getuid()
    except OSError:
        return False
    return is_owned or any(_attribute(folder, name) == b"1" for name in _DELEGATED)


def _attribute(folder: Path, name: str) -> bytes:
    try:
        return os.getxattr(folder, name)
    except OSError:
        return b""


def _enable(folder: Path) -> tuple[str, ...]:
    """Let the groups below be limited; returns by what."""
    there = set((folder / "cgroup.controllers").read_text().split())
    for name in there.intersection(CONTROLLERS):
        with contextlib.suppress(OSError):
            _write(folder / "cgroup.subtree_control", f"+{name}")
    return tuple(sorted((folder / "cgroup.subtree_control").read_text().replace("+", "").split()))


def _write(file: Path, value: str) -> None:
    """One write for one value, without making a file that the kernel has not made."""
    fd = os.open(file, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
