"""Lets system calls on the device's folder fail: at each call, with each error that it may give, once or from then on.

A point is 'CALL:ERROR:HOW', as '17:ENOSPC:once', where calls are counted that touch the folder and may fail. HOW is
once, thrice (that call and the two after it that may give that error), or on (from then on, as a full disk does).
"""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from faults.killing import again
from faults.scenarios import Scenario
from faults.tally import Tally
from faults.tracing import Action, Call, Deed, Fail, Watcher, apart, trace

SHORT, INTERRUPTED = "SHORT", "EINTR"
CHANGES = ("EIO", "ENOSPC", "EROFS")
ERRORS = {  # kind of call: what it may give
    "look": ("EIO", "EMFILE"),
    "make": ("EIO", "ENOSPC", "EROFS", "EMFILE"),
    "write": ("EIO", "ENOSPC", SHORT, INTERRUPTED),
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "read": ("EIO", INTERRUPTED),
    "getdents64": ("EIO",),
    "ftruncate": ("EIO",),
    "unlink": ("EIO", "EROFS"),
    "rmdir": ("EIO", "EROFS"),
    "rename": CHANGES,
    "link": CHANGES,
    "mkdir": CHANGES,
}
FIRST_PATH = {"openat": 1, "mkdirat": 1, "unlinkat": 1, "renameat": 1, "renameat2": 1, "linkat": 1}
PATHS = frozenset({"open", "openat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat",
                   "renameat2", "link", "linkat"})  # fmt: skip
THOROUGH = 8  # every so many devices are asked by an app; of all of them the active slot is hashed
HOWS = ("once", "thrice", "on")


class Failing(Watcher):
    """Counts the calls below `root` that may fail, and lets those of `point` fail ('' for none)."""

    names = PATHS | {"read", "write", "fsync", "fdatasync", "getdents64", "ftruncate"}

    def __init__(self, root: Path, point: str = "") -> None:
        super().__init__()
        self._root = f"{os.path.realpath(root)}"
        at, self._error, self._how = point.split(":") if point else ("-1", "", "")
        self._at = int(at)
        self._failed = 0
        self.kinds: list[str] = []  # of each call that may fail

    def enters(self, call: Call) -> Action:
        if self._how == "lifted" or not (kind := self._kind(call)):
            return None
        number = len(self.kinds)
        self.kinds.append(kind)
        if not self._at <= number or self._at < 0 or self._error not in ERRORS[kind]:
            return None
        most = {"once": 1, "thrice": 3}.get(self._how)
        if (number > self._at and most == 1) or (most is not None and self._failed >= most):
            return None
        self._failed += 1
        if self._error == SHORT:
            return Deed.HALVE if call.args[2] > 1 else None
        return Fail(getattr(errno, self._error))

    def _kind(self, call: Call) -> str:
        """The key in ERRORS of a call that touches the folder; '' for others."""
        if not self._is_mine(call):
            return ""
        name = call.name.removesuffix("2").removesuffix("at")
        if name != "open":
            return name if name in ERRORS else ""
        flags = call.args[2 if call.name == "openat" else 1]
        return "make" if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR) else "look"

    def _is_mine(self, call: Call) -> bool:
        if call.name in PATHS:
            path = call.memory.text(call.args[FIRST_PATH.get(call.name, 0)])
        else:
            try:
                path = os.readlink(f"/proc/{call.memory.pid}/fd/{call.args[0]}")
            except OSError:
                return False
        return path == self._root or path.startswith(self._root + "/")

    def hears(self, mark: str) -> None:
        super().hears(mark)
        if mark == "lifted":
            self._how = "lifted"


def fail_everywhere(
    scenario: Scenario, folder: Path, points: Iterable[str] | None = None, stride: int = 1, offset: int = 0
) -> Tally:
    """Let every call fail in every way (or each `stride`-th of all ways); then the disk is well again, and it boots."""
    seed, root = folder / "seed", folder / "device"
    scenario.prepare(seed)
    again(seed, root)
    gc.freeze()
    counting = Failing(root)
    ending = trace(lambda: scenario.endure(root, is_writable=True), counting)
    if ending.error:
        raise AssertionError(f"{scenario.name} does not even work without a fault: {ending.error}")
    tally = Tally("Errors at every call", scenario.name, calls=len(counting.kinds))
    for point in points or list(_points(counting.kinds))[offset::stride]:
        again(seed, root)
        scenario.is_thorough = tally.points % THOROUGH == 0
        tally.points += 1
        if why := _fail(scenario, root, point):
            tally.fail(point, why)
    tally.states = tally.points
    return tally


def _fail(scenario: Scenario, root: Path, point: str) -> str:
    failing = Failing(root, point)
    _, error, how = point.split(":")
    is_writable = how != "on" or error in (INTERRUPTED, SHORT)
    ending = trace(lambda: scenario.endure(root, is_writable=is_writable), failing)
    if ending.error:
        return f"while the disk failed: {ending.error}"
    return apart(lambda: scenario.find(root, failing.marks) or scenario.mend(root, failing.marks))


def _points(kinds: Iterable[str]) -> Iterator[str]:
    for number, kind in enumerate(kinds):
        for error in ERRORS[kind]:
            for how in HOWS if error not in (SHORT, INTERRUPTED) else ("once",):
                yield f"{number}:{error}:{how}"
