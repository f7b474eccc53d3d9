"""What happens to a fleet in one seed: who is in it, what is rolled out, and which faults strike whom and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from edgewright.contract.api import Budget, GateDraft, RolloutDraft, ScheduleDraft, SiteCap
from edgewright.sim.device.conduct import Conduct
from edgewright.sim.world.agenda import dice
from edgewright.sim.world.releases import Made

MODELS = ("digits", "wine")
PUBLISHED = tuple(Made(model, version) for model in MODELS for version in (1, 2, 3))
FORBIDDEN = Made("digits", 9)
"""Built, and neither signed nor approved by anybody."""
TROUBLE_S = 9000.0  # in which faults begin and end
CALM_S = 9000.0  # in which everything must come to rest
PATIENCE_S = 1500.0
MAX_FAULTS = 3  # of one device


class Fault(StrEnum):
    """What can go wrong with one device."""

    LOSS = "loss"
    PARTITION = "partition"
    POWER_CUT = "power cut"
    FULL_DISK = "full disk"
    WRONG_CLOCK = "wrong clock"
    SLOW_LINK = "slow link"
    DOUBLED = "doubled and reordered requests"
    GONE = "gone for good"
    LIES = "lies about others"
    FORGED = "forged orders"


@dataclass(frozen=True)
class Strike:
    """A fault of one device, from `at` to `until`, in seconds from the beginning."""

    device: int
    fault: Fault
    at: float
    until: float
    bytes_s: float = 0.0  # of a slow link; 0 leaves it to chance


@dataclass(frozen=True)
class Start:
    """A rollout that an operator starts."""

    at: float
    draft: RolloutDraft


@dataclass(frozen=True)
class Scenario:
    """One seed's story. `outages` are the hub's, as begin and end; `conducts` by model and counter."""

    seed: int
    sites: tuple[str, ...]  # of each device
    conducts: dict[tuple[str, int], Conduct]
    starts: tuple[Start, ...]
    strikes: tuple[Strike, ...]
    outages: tuple[tuple[float, float], ...]
    max_unavailable: int  # of a site's devices, in every rollout's budget; 0: there are no budgets

    @property
    def gone(self) -> frozenset[int]:
        """Devices that never come back."""
        return frozenset(strike.device for strike in self.strikes if strike.fault is Fault.GONE)


def write_scenario(seed: int) -> Scenario:
    """The story of a seed, always alike."""
    chance = dice(seed, "scenario")
    sites = tuple(f"site-{number}" for number in range(chance.randint(2, 3)) for _ in range(chance.randint(2, 4)))
    conducts = {(made.model, made.version): Conduct.GOOD for made in PUBLISHED}
    if chance.random() < 0.5:
        bad = chance.choice([conduct for conduct in Conduct if conduct is not Conduct.GOOD])
        conducts[chance.choice(MODELS), 2] = bad
    max_unavailable = chance.choice((0, 1, 1, 2))
    return Scenario(
        seed=seed,
        sites=sites,
        conducts=conducts,
        starts=_starts(chance, len(sites), max_unavailable),
        strikes=_strikes(chance, len(sites)),
        outages=tuple(_outages(chance)),
        max_unavailable=max_unavailable,
    )


def _starts(chance: random.Random, size: int, max_unavailable: int) -> tuple[Start, ...]:
    times = {("digits", 1): 120.0, ("wine", 1): chance.uniform(120.0, 900.0)}
    times["digits", 2] = chance.uniform(2700.0, 4500.0)
    times["wine", 2] = chance.uniform(2700.0, 4500.0)
    times["digits", 3] = chance.uniform(6000.0, 7500.0)
    drafts = {key: _draft(chance, f"{key[0]}/{key[1]}", size, max_unavailable) for key in times}
    return tuple(Start(times[key], draft) for key, draft in drafts.items())


def _draft(chance: random.Random, release: str, size: int, max_unavailable: int) -> RolloutDraft:
    gate = GateDraft(
        max_failed=chance.randint(0, 2),
        min_reported=0.5,
        patience_s=PATIENCE_S,
        shadow_requests=chance.choice((0, 50)),
    )
    has_windows = chance.random() < 0.2
    return RolloutDraft(
        release=release,
        group="lanes",
        waves=chance.choice(((1, 3, size), (2, size), (size,))),
        gate=gate,
        budgets=(Budget(per="site", max_unavailable=max_unavailable),) if max_unavailable else (),
        caps=(SiteCap(per="site", max_at_once=2),) if chance.random() < 0.2 else (),
        schedule=ScheduleDraft(windows=("00:00-12:00", "12:30-24:00")) if has_windows else ScheduleDraft(),
    )


def _strikes(chance: random.Random, size: int) -> tuple[Strike, ...]:
    found = []
    gone = chance.randrange(size) if chance.random() < 0.3 else -1
    passing = [fault for fault in Fault if fault is not Fault.GONE]
    for device in range(size):
        for _ in range(chance.randint(0, MAX_FAULTS)):
            at = chance.uniform(60.0, TROUBLE_S)
            until = min(TROUBLE_S, at + chance.expovariate(1 / 1200.0))
            found.append(Strike(device, chance.choice(passing), at, until))
        if device == gone:
            found.append(Strike(device, Fault.GONE, chance.uniform(60.0, TROUBLE_S), TROUBLE_S))
    return tuple(found)


def _outages(chance: random.Random) -> list[tuple[float, float]]:
    begins = sorted(chance.uniform(60.0, TROUBLE_S) for _ in range(chance.choice((0, 0, 1, 2))))
    outages: list[tuple[float, float]] = []
    for at in begins:
        if not outages or at > outages[-1][1]:
            outages.append((at, at + chance.choice((0.5, 60.0, 900.0))))
    return outages
