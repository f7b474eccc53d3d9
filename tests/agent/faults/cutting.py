"""Cuts the power: notes what a scenario does to the disk, makes states that a cut may leave, boots, and cuts again.

A point is 'SEED:CUT:DRAW', the draw of a state after so many operations, and where the device was cut again as it
recovered, '/CUT:DRAW' behind it.
"""

from __future__ import annotations

import gc
import random
import shutil
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from faults.disk import Disk, State, lay_out, marks
from faults.killing import again
from faults.noting import Noting, Operation
from faults.scenarios import Scenario
from faults.tally import Tally
from faults.tracing import trace

AGAIN = 16  # cuts while a device recovers, for each state that it boots from
THOROUGH = 1 / 16  # of the states are asked by an app; in all of them every file of the active slot is hashed


class Broken(AssertionError):
    """What a device did not keep."""


def cut_everywhere(
    scenario: Scenario, folder: Path, *, seed: int = 1, limit: int = 1000, points: Iterable[str] | None = None
) -> Tally:
    """Boot what `limit` draws from all cuts leave, and what cuts leave while the device recovers from these."""
    start, root = folder / "seed", folder / "device"
    scenario.prepare(start)
    again(start, root)
    gc.freeze()  # so that a fork copies little
    before = Disk(root)
    noting = Noting(root)
    ending = trace(lambda: scenario.act(root), noting)
    if ending.error:
        raise AssertionError(f"{scenario.name} does not even work without a fault: {ending.error}")
    tally = Tally("Power cut at every operation", scenario.name, calls=len(noting.operations), seed=seed)
    rig = _Rig(scenario, root, tally)
    chosen = list(points or _points(seed, len(noting.operations), limit))
    states = _states(before, noting.operations, [point.partition("/")[0] for point in chosen])
    for point, state in zip(chosen, states, strict=True):
        rig.boot(point, state, marks(noting.operations[: int(point.split(":")[1])]))
    return tally


class _Rig:
    def __init__(self, scenario: Scenario, root: Path, tally: Tally) -> None:
        self._scenario = scenario
        self._root = root
        self._tally = tally
        self._seen: set[tuple[int, str]] = set()

    def boot(self, point: str, state: State, said: Sequence[str]) -> None:
        """Boot a state, and those that are left where the power is cut again on the way."""
        first, _, again = point.partition("/")
        chance = random.Random(point)
        self._scenario.is_thorough = chance.random() < THOROUGH
        if not again and not self._is_new(state, said):
            return
        disk, noting = self._boot_noting(first, state, said)
        ends = len(noting.operations)
        seconds = [again] if again else [f"{chance.randint(1, ends)}:{draw}" for draw in range(AGAIN if ends else 0)]
        for second, left in zip(seconds, _states(disk, noting.operations, seconds, first), strict=True):
            self._boot_again(f"{first}/{second}", left, [*said, *marks(noting.operations[: int(second.split(":")[0])])])

    def _boot_again(self, point: str, state: State, said: Sequence[str]) -> None:
        if not self._is_new(state, said):
            return
        self._lay(state)
        try:
            why = self._scenario.mend(self._root, said)
        except Exception:
            why = traceback.format_exc()
        if why:
            self._tally.fail(point, why)

    def _boot_noting(self, point: str, state: State, said: Sequence[str]) -> tuple[Disk, Noting]:
        self._lay(state)
        disk, noting = Disk(self._root), Noting(self._root)
        ending = trace(lambda: self._mend(said), noting)
        if ending.error:
            self._tally.fail(point, ending.error.strip().splitlines()[-1])
        return disk, noting

    def _mend(self, said: Sequence[str]) -> None:
        if why := self._scenario.mend(self._root, said):
            raise Broken(why)

    def _lay(self, state: State) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        lay_out(state, self._root.parent)

    def _is_new(self, state: State, said: Sequence[str]) -> bool:
        self._tally.points += 1
        key = (state.key(), repr(said))
        is_new = key not in self._seen
        self._seen.add(key)
        self._tally.states += is_new
        return is_new


def _points(seed: int, operations: int, limit: int) -> Iterator[str]:
    """Every cut in turn, as often as `limit` allows."""
    for number in range(limit):
        draw, cut = divmod(number, operations + 1)
        yield f"{seed}:{cut}:{draw}"


def _states(disk: Disk, operations: Sequence[Operation], points: Sequence[str], salt: str = "") -> Iterator[State]:
    """The states of `points`, in their order."""
    wanted: dict[int, list[str]] = {}
    for point in points:
        wanted.setdefault(int(point.split(":")[-2]), []).append(point)
    drawn: dict[str, State] = {}
    for cut in range(len(operations) + 1):
        for point in wanted.get(cut, ()):
            drawn[point] = disk.after_cut(random.Random(f"{salt}/{point}"))
        if cut < len(operations):
            disk.does(operations[cut])
    yield from (drawn[point] for point in points)
