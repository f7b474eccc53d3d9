"""Gates: how often a rollout that changes nothing is halted, and how soon one is that doubles the failures.

Fleets are drawn: each device has a failure rate of its own (beta-distributed, overdispersion rho = 0.02 between
devices), the day before the rollout is known, and the canaries' rate is multiplied by the lift. The peers take requests
for independent: a z-test of two shares, looked at as often as ours (one-sided, 5 %), and a mixture SPRT on the same
difference. Left out: devices whose rate changes by itself in the course of the rollout, and liars (a test has those).
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.hub.rollout.gates.comparison import Arm, compare

ALPHA = 0.05
RHO = 0.02
HISTORY_H = 24
Z_ONE_SIDED = 1.645
Look = tuple[Arm, Arm]
Test = Callable[[list[Look]], float]


@dataclass(frozen=True)
class Setting:
    """A rollout: its devices, how often requests fail, how many there are, and how long one looks how often."""

    canaries: int
    controls: int
    rate: float
    requests_h: int
    hours: float
    every_h: float

    def __str__(self) -> str:
        every = "hourly" if self.every_h == 1 else f"every {60 * self.every_h:.0f} min"
        return (
            f"{self.canaries} canaries, {self.controls} controls, {100 * self.rate:g} % fail, "
            f"{self.requests_h} requests/h, {every} for {self.hours:g} h"
        )


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    is_quick = "--quick" in sys.argv
    seeds, holds = (40, 40) if is_quick else (1000, 300), True
    for found in itertools.chain(alike(seeds[0], is_quick), doubled(seeds[1], is_quick)):
        print(found, flush=True)
        holds = holds and json.loads(found)["holds"]
    return 0 if holds else 1


def alike(seeds: int, is_quick: bool) -> Iterator[str]:
    """A/A rollouts: nothing differs, so every halt is false."""
    settings = [Setting(50, 500, 0.02, 60, 72, 1), Setting(5, 50, 0.02, 60, 72, 1), Setting(20, 200, 0.005, 60, 72, 1)]
    settings += [] if is_quick else [Setting(200, 800, 0.02, 60, 72, 1), Setting(50, 500, 0.1, 600, 72, 1)]
    for one in settings:
        yield line("false halts", one, 1.0, seeds, most=ALPHA)
    each_minute = Setting(50, 500, 0.02, 60, 8, 1 / 60)
    yield line("false halts", each_minute, 1.0, max(10, seeds // 5), most=ALPHA)


def doubled(seeds: int, is_quick: bool) -> Iterator[str]:
    """Failures double: which share of rollouts is halted within four hours. Without a bound where power is low."""
    bound = [Setting(50, 500, 0.02, 60, 4, 0.25), Setting(200, 800, 0.02, 60, 4, 0.25)]
    free = [Setting(5, 50, 0.02, 60, 4, 0.25), Setting(5, 50, 0.02, 600, 4, 0.25), Setting(20, 200, 0.02, 60, 4, 0.25)]
    free += [] if is_quick else [Setting(50, 500, 0.005, 60, 4, 0.25), Setting(50, 500, 0.1, 600, 4, 0.25)]
    name = "halted within 4 h of twice the failures"
    for one in bound:
        yield line(name, one, 2.0, seeds, least=0.95)
    for one in free:
        yield line(name, one, 2.0, seeds)


def line(name: str, setting: Setting, lift: float, seeds: int, *, most: float = 1.0, least: float = 0.0) -> str:
    """Run all tests on the same fleets."""
    tests: dict[str, Test] = {"ours": ours, "z": z_peeked, "msprt": mixture_of_requests}
    halted: dict[str, list[float]] = {test: [] for test in tests}
    for seed in range(seeds):
        looks = watch(setting, lift, np.random.default_rng([seed, round(lift * 100)]))
        for test, judge in tests.items():
            halted[test].append(judge(looks))
    shares = {test: float(np.isfinite(at).mean()) for test, at in halted.items()}
    median = float(np.median(halted["ours"])) * setting.every_h
    return json.dumps(
        {
            "figure": f"{name}: {setting}",
            "ours": round(shares["ours"], 4),
            "peer": round(shares["z"], 4),
            "peer_name": "z-test of requests, peeked at",
            "ratio": round(shares["ours"] / shares["z"], 4) if shares["z"] else None,
            "unit": f"share of {seeds} rollouts",
            "bound": f"at most {most:g}" if most < 1 else f"at least {least:g}" if least else "none",
            "holds": least <= shares["ours"] <= most,
            "requests_msprt": round(shares["msprt"], 4),
            "median_h": median if math.isfinite(median) else None,
        }
    )


def watch(setting: Setting, lift: float, random: np.random.Generator) -> list[Look]:
    """One fleet: both arms as they stand at each look."""
    devices, size = setting.canaries + setting.controls, setting.canaries
    rates = random.beta(setting.rate * (1 / RHO - 1), (1 - setting.rate) * (1 / RHO - 1), devices)
    rows_before = np.full(devices, float(setting.requests_h * HISTORY_H))
    failed_before = random.binomial(setting.requests_h * HISTORY_H, rates).astype(float)
    rates[:size] = np.minimum(rates[:size] * lift, 0.99)
    count = round(setting.hours / setting.every_h)
    each = max(1, round(setting.requests_h * setting.every_h))
    failed = random.binomial(each, rates[:, None], (devices, count)).cumsum(axis=1).astype(float)
    looks = []
    for look in range(count):
        rows = np.full(devices, float(each * (look + 1)))
        whole = Arm(rows, failed[:, look], rows_before, failed_before)
        is_canary = np.arange(devices) < size
        looks.append((whole[is_canary], whole[~is_canary]))
    return looks


def ours(looks: list[Look]) -> float:
    """At which look the gate's comparison halts, counted from 1; infinite where never."""
    seen = 0
    for number, (canary, control) in enumerate(looks, 1):
        found = compare(canary, control, seen)
        seen = found.look
        if found.is_alarm(ALPHA):
            return number
    return math.inf


def z_peeked(looks: list[Look]) -> float:
    """The peer: two shares of requests, compared at each look as if it were the only one."""
    for number, (canary, control) in enumerate(looks, 1):
        difference, variance = of_requests(canary, control)
        if variance > 0 and difference / math.sqrt(variance) > Z_ONE_SIDED:
            return number
    return math.inf


def mixture_of_requests(looks: list[Look]) -> float:
    """Another peer: a mixture SPRT that is valid at every look if requests are independent, which they are not."""
    for number, (canary, control) in enumerate(looks, 1):
        difference, variance = of_requests(canary, control)
        scale = (float(control.failed_before.sum() / control.rows_before.sum())) ** 2
        shrink = scale / (variance + scale)
        if variance > 0 and difference > 0:
            log_ratio = 0.5 * math.log1p(-shrink) + 0.5 * difference**2 / variance * shrink
            if log_ratio > math.log(1 / ALPHA):
                return number
    return math.inf


def of_requests(canary: Arm, control: Arm) -> tuple[float, float]:
    """The difference of two shares, and its variance if requests were independent."""
    rows = canary.rows.sum(), control.rows.sum()
    failed = canary.failed.sum(), control.failed.sum()
    share = (failed[0] + failed[1]) / (rows[0] + rows[1])
    return failed[0] / rows[0] - failed[1] / rows[1], share * (1 - share) * (1 / rows[0] + 1 / rows[1])


if __name__ == "__main__":
    sys.exit(main())
