"""What a device is in the midst of when a fault comes: what was there before, what is done, what must be true after.

`act` runs under the fault, and says what it has promised to others by `mark`s, which a rig hears from outside: a
report that the spool took, a key that the hub saw. `find` looks at a device as the fault left it, `mend` is its next
boot; both say '' or which promise was broken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from device import BAD, GOOD, Device, Shelf, Verdicts, reports, serving_counter
from faults.keeping import Claim, Facts, Flush
from faults.packages import RealReleases, answering_counter, model, version_inside
from faults.tally import BRICKED
from faults.tracing import mark

from edgewright.agent.disk.slots import ModelFolder
from edgewright.agent.states import TRIES, ModelRecord, Step
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import Outcome

ATTEMPTS = 6


class Scenario(Protocol):
    """All folders are given; nothing is kept in memory between the calls but what never changes."""

    name: str
    is_thorough: bool  # whether a model is loaded and asked; else its files are read and hashed

    def prepare(self, root: Path) -> None:
        """Bring `root` to where the scenario begins."""

    def act(self, root: Path) -> None:
        """Do it, in a process that has just begun."""

    def endure(self, root: Path, *, is_writable: bool) -> None:
        """Do it on a disk that fails; what is refused is tried again some times. `is_writable`: it fails now and then.

        What an agent may raise, and its supervisor takes as a reason to try again, is EdgewrightError and OSError.
        """

    def find(self, root: Path, marks: Sequence[str]) -> str:
        """Look at what the fault left, before anything boots; `marks` is what `act` has said."""

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        """Boot, and do what was ordered to its end."""


class MarkedVerdicts(Verdicts):
    """Says when a trial begins: by then its try must be spent on the disk."""

    def start(self, slot: Path, *facts, **more):
        mark(f"trial {slot.parent.name}")
        return super().start(slot, *facts, **more)


class Update:
    """An install, or an ordered roll back, on a device that has the releases 1 to `installed`."""

    def __init__(
        self,
        name: str,
        *,
        installed: int,
        ends_at: int,
        script: tuple = GOOD,
        outcome: Outcome = Outcome.COMMITTED,
        gives_up: int = 0,
        changes: dict | None = None,
    ) -> None:
        self.name = name
        self.installed = installed
        self.ends_at = ends_at
        self.script = script
        self.outcome = outcome
        self.gives_up = gives_up
        self.changes = changes or {}
        self.is_thorough = True
        self.shelf = Shelf()
        self.shelf.chunk_bytes = 16 * 1024
        self.releases = RealReleases(self.shelf)

    def prepare(self, root: Path) -> None:
        for counter in range(1, self.installed + 1):
            Device(root, self.shelf).take(self.releases.install(counter))
        self._offer()
        for counter in range(1, self.installed + 2):
            assert version_inside(model(counter)) == counter

    def act(self, root: Path) -> None:
        self._carry_out(root)
        mark("done")

    def endure(self, root: Path, *, is_writable: bool) -> None:
        mark("failing")
        device = None
        for _ in range(ATTEMPTS):
            with contextlib.suppress(EdgewrightError, OSError):
                device = device or Device(root, self.shelf, MarkedVerdicts(*self.script))
                self._carry_out(root, device)
                if is_writable:
                    mark("ended")
                break
        mark("lifted")

    def find(self, root: Path, marks: Sequence[str]) -> str:
        return self._broken(root, marks)

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        device = Device(root, self.shelf, Verdicts(*self.script))
        if why := self._broken(root, marks) or _refunded(device.record, self._counter, marks.count("trial digits")):
            return f"after booting: {why}"
        self._carry_out(root, device)
        before = {(counter, Outcome.COMMITTED) for counter in range(1, self.installed + 1)}
        told = {(report.counter, report.outcome) for report in reports(root)} - before
        counter, ends_at = self._counter, self.ends_at
        if "failing" in marks and told == {(counter, Outcome.FAILED)}:
            ends_at = self.gives_up or self.installed  # it gave up, said so, and stays with what works
        elif told != {(counter, self.outcome)}:
            return f"it told of {sorted(told)}"
        found = self._look(root)
        return "" if found == ends_at else f"it ended with release {found}"

    def _carry_out(self, root: Path, device: Device | None = None) -> None:
        device = (device or Device(root, self.shelf, MarkedVerdicts(*self.script))).settle()
        self._order(device)
        device.settle()

    def _order(self, device: Device) -> None:
        if self.gives_up:
            facts = {"deployment": f"d{self.gives_up}", "model": "digits", "counter": self.gives_up}
            device.machine.give_up(Rollback(**facts, reason="accuracy fell"))
        else:
            device.machine.offer(*self._offer())

    def _offer(self) -> tuple[Install, object, bytes]:
        return self.releases.install(self.installed + 1, **self.changes)

    def _broken(self, root: Path, marks: Sequence[str]) -> str:
        found = self._look(root)
        if found != serving_counter(root):
            return f"{BRICKED}: release {found} answers, and the record names {serving_counter(root)}"
        if found not in ({self.ends_at} if "done" in marks else {self.installed, self.ends_at}):
            return f"{BRICKED}: release {found} answers"
        record, _ = ModelFolder(root / "models" / "digits", "digits").load()
        floor = max(self.installed, self.ends_at) if "done" in marks else self.installed
        return "" if record.floor >= floor else f"the floor fell to {record.floor}"

    @property
    def _counter(self) -> int:
        """The release that is told of at the end."""
        return self.gives_up or self.installed + 1

    def _look(self, root: Path) -> int:
        return answering_counter(root) if self.is_thorough else serving_counter(root)


def _refunded(record: ModelRecord, counter: int, trials: int) -> str:
    """A try that was spent stays spent: that is what ends a loop of crashes."""
    if not trials or any(ended.startswith(f"d{counter}:{counter}:") for ended in record.ended):
        return ""
    if record.candidate is None or record.step in (Step.FETCH, Step.STAGE):
        return f"{trials} trials had begun, and the device knows of none"
    left = record.candidate.tries_left
    return "" if left <= TRIES - trials else f"{trials} trials had begun, and {left} tries are left"


def _rolled_back(name: str, **facts) -> Update:
    return Update(name, outcome=Outcome.ROLLED_BACK, **facts)


def named(name: str) -> Scenario:
    """The scenario of that name; each call makes a new one."""
    from faults import leasing, longer

    later = {
        "renewal": leasing.Renewal,
        "chain": longer.Chain,
        "crashes": longer.Crashing,
        "two models": longer.TwoModels,
    }
    return {**SCENARIOS, **later, "condensing": longer.Weeks}[name]()


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "install": lambda: Update("install", installed=0, ends_at=1),
    "update": lambda: Update("update", installed=1, ends_at=2, changes={"fetches": ()}),
    "delta": lambda: Update("delta", installed=2, ends_at=3),
    "failed trial": lambda: _rolled_back("failed trial", installed=2, ends_at=2, script=BAD),
    "rollback": lambda: _rolled_back("rollback", installed=2, ends_at=1, gives_up=2),
    "claim": Claim,
    "spool": Flush,
    "facts": Facts,
}
