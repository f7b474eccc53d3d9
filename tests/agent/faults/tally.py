"""What a rig has done and found, as it is printed at the end of a run and said as JSON by a rig's own process."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

MAX_TOLD = 20
BRICKED = "no working model"


@dataclass
class Tally:
    """So many `points` of a scenario were tried, which left `states` different devices; some broke a promise."""

    rig: str
    scenario: str
    points: int = 0
    states: int = 0
    calls: int = 0  # of the scenario without a fault: system calls, or operations on the disk
    seed: int = 0
    failures: int = 0
    bricked: int = 0  # of the failures: no model answers, or not the right one
    failed: list[tuple[str, str]] = field(default_factory=list)  # the first of them: where, and why

    def __str__(self) -> str:
        """For people."""
        seed = f", seed {self.seed}" if self.seed else ""
        whole = f"{self.points} faults at {self.calls} calls, {self.states} devices booted"
        return f"{whole}, {self.bricked} bricked, {self.failures - self.bricked} other promises broken{seed}"

    def fail(self, where: str, why: str) -> None:
        """Note a broken promise."""
        self.failures += 1
        self.bricked += BRICKED in why
        if len(self.failed) < MAX_TOLD:
            self.failed.append((where, why))

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)
