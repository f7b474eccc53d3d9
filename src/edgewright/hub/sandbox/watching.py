"""What a command takes while it runs: room on the disk in its folder, and processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

RESERVE_BYTES = 512 * 1024**2
"""What a command must leave of the disk, whoever has filled it: the hub lives there too."""
MAX_FILES = 2_000_000
WAITING = 1  # the process below the launcher that only waits
LOOK_S = 0.2
SHARE = 0.1
"""How much of its time the watch spends looking, at most: a folder of a million files is looked through seldom."""


@dataclass(frozen=True)
class Confines:
    """Where a command may write, and how much of it: `disk_bytes` under `folder`, which is its /tmp too.

    It has at most `processes` at once, and all of them end when it ends, also those that have left its session.
    """

    folder: Path
    disk_bytes: int
    processes: int


class Watch:
    """Looks now and then whether the command `pid` stays within its confines."""

    def __init__(self, confines: Confines, pid: int) -> None:
        self._confines = confines
        self._pid = pid
        self._look_at = time.monotonic() + LOOK_S

    def look(self, *, is_last: bool = False) -> str:
        """What it has taken too much of, in words that follow its name; "" if all is well or it is not time yet."""
        began = time.monotonic()
        if began < self._look_at and not is_last:
            return ""
        reason = self._fault()
        self._look_at = time.monotonic() + max(LOOK_S, (time.monotonic() - began) / SHARE)
        return reason

    def _fault(self) -> str:
        confines = self._confines
        if processes_below(self._pid) > confines.processes + WAITING:
            return f"had more than {confines.processes} processes at once"
        taken_bytes, files = disk_use(confines.folder, confines.disk_bytes)
        if taken_bytes > confines.disk_bytes:
            return f"wrote more than {confines.disk_bytes:,} bytes to the disk"
        if files > MAX_FILES:
            return f"made more than {MAX_FILES:,} files"
        disk = os.statvfs(confines.folder)
        if disk.f_bavail * disk.f_frsize < RESERVE_BYTES:
            return f"was ended: the disk has less than {RESERVE_BYTES >> 20} MiB left"
        return ""


def disk_use(folder: Path, enough_bytes: int) -> tuple[int, int]:
    """How many bytes of the disk all files below `folder` take, and how many they are; counted up to `enough_bytes`.

    A file of several names counts once, a hole in a file not at all, what a link leads to neither.
    """
    taken_bytes = files = 0
    several: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    while waiting and taken_bytes <= enough_bytes and files <= MAX_FILES:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    files += 1
                    if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (place := (found.st_dev, found.st_ino)) in several:
                            continue
                        several.add(place)
                    taken_bytes += found.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return taken_bytes, files


def processes_below(pid: int) -> int:
    """How many processes descend from `pid`."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                children[int(file.read().rpartition(b")")[2].split()[1])].append(int(name))  # proc_pid_stat(5)
    count, waiting = 0, [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        count += len(below)
        waiting += below
    return count
