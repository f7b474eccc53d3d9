"""Kills a process before, within and after each of its system calls, and boots what is left.

What a kill leaves is what the kernel has: so two kills with the same files and the same promises are booted once.
"""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from faults.scenarios import Scenario
from faults.tally import Tally
from faults.tracing import Action, Call, Deed, Watcher, apart, trace

WRITING = {"write", "pwrite64"}


class Counter(Watcher):
    """Lets all happen, and notes which calls write."""

    def __init__(self) -> None:
        super().__init__()
        self.writing: list[int] = []

    def enters(self, call: Call) -> Action:
        if call.name in WRITING and call.args[2] > 1:
            self.writing.append(call.number)
        return None


class Killer(Watcher):
    """Kills before call `at`, or with `is_within` after half of its bytes."""

    def __init__(self, at: int, is_within: bool) -> None:
        super().__init__()
        self._at = at
        self._is_within = is_within

    def enters(self, call: Call) -> Action:
        if call.number != self._at:
            return None
        return Deed.HALVE if self._is_within else Deed.KILL

    def leaves(self, call: Call) -> Action:
        return Deed.KILL if call.number == self._at else None


def kill_everywhere(
    scenario: Scenario, folder: Path, points: Iterable[str] | None = None, stride: int = 1, offset: int = 0
) -> Tally:
    """Kill at every `stride`-th point, or at those that are named: '17' before call 17, '17/2' within it."""
    seed, root = folder / "seed", folder / "device"
    scenario.prepare(seed)
    again(seed, root)
    gc.freeze()  # so that a fork copies little
    counter = Counter()
    ending = trace(lambda: scenario.act(root), counter)
    if ending.error:
        raise AssertionError(f"{scenario.name} does not even work without a fault: {ending.error}")
    tally = Tally("SIGKILL at every system call", scenario.name, calls=ending.calls)
    seen: set[str] = set()
    for point in points or _points(ending.calls, counter.writing)[offset::stride]:
        again(seed, root)
        marks = _kill(scenario, root, point)
        tally.points += 1
        key = picture(root) + repr(marks)
        if key in seen:
            continue
        seen.add(key)
        tally.states += 1
        why = apart(lambda marks=marks: scenario.find(root, marks) or scenario.mend(root, marks))  # type: ignore[misc]
        if why:
            tally.fail(point, why)
    return tally


def again(seed: Path, root: Path) -> None:
    """Put `root` back to what `seed` holds."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(seed, root) if seed.exists() else root.parent.mkdir(parents=True, exist_ok=True)


def picture(root: Path) -> str:
    """The names and bytes below `root`, as one digest."""
    whole = hashlib.sha256()
    for path, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            with open(os.path.join(path, name), "rb") as file:
                whole.update(f"{path}/{name}\0".encode() + hashlib.sha256(file.read()).digest())
        whole.update(repr((path, folders)).encode())
    return whole.hexdigest()


def _points(calls: int, writing: Sequence[int]) -> list[str]:
    return [str(at) for at in range(calls + 1)] + [f"{at}/2" for at in writing]


def _kill(scenario: Scenario, root: Path, point: str) -> list[str]:
    at, _, within = point.partition("/")
    killer = Killer(int(at), bool(within))
    trace(lambda: scenario.act(root), killer)
    return killer.marks
