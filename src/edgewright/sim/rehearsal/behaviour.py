"""What a release does on a rehearsed device: how long its steps take, whether they end well, what is measured."""

from __future__ import annotations

import random
from dataclasses import dataclass

from edgewright.agent.trial.soak import MIN_REQUESTS, Soaked, judge
from edgewright.contract.api import Badness
from edgewright.contract.manifest import Budgets
from edgewright.contract.order import Install, Shadow
from edgewright.contract.report import GoldenResult, ShadowResult
from edgewright.hub.rehearsals.question import DeviceFact, Facts

START_S = 5.0  # to stage a package, and to start its worker
SOAK_S = 10.0  # of requests after the golden ones, as agents are set up
CRASHES_AFTER_S = 3600.0
CRASHES_LAST_S = 360.0  # from the first crash to the one that is too many
SLOWER = HEAVIER = 3.0
AGREEMENT, DISAGREEMENT = 0.98, 0.6
SCORE_SHIFT, LARGE_SHIFT = 0.02, 0.6
GOLDEN = GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0)
BAD_GOLDEN = GoldenResult(passed=False, max_error=1.0, argmax_agreement=0.5)


@dataclass(frozen=True)
class Tried:
    """How a trial ends. Latency and memory are 0 where nobody has measured them, as in an install report."""

    is_ok: bool
    reason: str = ""
    golden: GoldenResult | None = None
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Behaviour:
    """What the release does on the devices of these facts, bad in one way or in none."""

    badness: Badness | None
    facts: Facts

    @property
    def crashes(self) -> bool:
        """Whether it crashes once it has served for a while."""
        return self.badness is Badness.CRASHES

    @property
    def trial_s(self) -> float:
        """How long golden test and soak take."""
        return START_S + SOAK_S

    def fetch_s(self, install: Install, fact: DeviceFact, full_bytes: int) -> float:
        """How long bytes and deltas take on this device's line."""
        bytes_s = sent_bytes(install, full_bytes) / fact.download_bytes_s
        apply_s = full_bytes / fact.apply_bytes_s if install.fetches and fact.apply_bytes_s else 0.0
        return bytes_s + fact.request_s * (1 + len(install.fetches)) + apply_s

    def tried(self, budgets: Budgets, fact: DeviceFact, chance: random.Random) -> Tried:
        """What the trial finds: what was measured on such hardware, made worse by the badness, judged by the agent."""
        if chance.random() < self.facts.failure_rate:
            return Tried(is_ok=False, reason="failed as past installs did")
        if self.badness is Badness.FAILS_GOLDEN:
            return Tried(is_ok=False, reason="golden outputs differ", golden=BAD_GOLDEN)
        latency_ms, memory_bytes = self.takes(fact)
        soaked = Soaked(MIN_REQUESTS, latency_ms / 2, latency_ms, latency_ms, grown_bytes=0, counted=MIN_REQUESTS)
        reason = judge(soaked, budgets, memory_bytes)
        return Tried(not reason, reason, GOLDEN, latency_ms, memory_bytes)

    def takes(self, fact: DeviceFact) -> tuple[float, int]:
        """The p95 in milliseconds and the memory in bytes that it takes on this device; 0 where not known."""
        slower = SLOWER if self.badness is Badness.SLOWER else 1.0
        heavier = HEAVIER if self.badness is Badness.HEAVIER else 1.0
        return fact.latency_p95_ms * slower, round(fact.memory_bytes * heavier)

    def shadow_s(self, policy: Shadow) -> float:
        """How long a shadow phase waits for the requests that it compares."""
        needed_s = policy.min_requests * 3600.0 / self.facts.requests_h if self.facts.requests_h else policy.max_wait_s
        return min(policy.max_wait_s, needed_s)

    def compared(self, policy: Shadow) -> ShadowResult:
        """What a shadow phase finds on as many requests as come in its time; on none it says 0, as agents do."""
        requests = compared_requests(self.facts, policy.min_requests, policy.max_wait_s)
        disagrees = self.badness is Badness.DISAGREES
        return ShadowResult(
            requests=requests,
            agreement=(DISAGREEMENT if disagrees else AGREEMENT) if requests else 0.0,
            score_shift=(LARGE_SHIFT if disagrees else SCORE_SHIFT) if requests else 0.0,
            latency_ratio=1.0 if requests else 0.0,
        )


def compared_requests(facts: Facts, wanted: int, wait_s: float) -> int:
    """How many requests a device has within a shadow phase."""
    return min(wanted, int(facts.requests_h * wait_s / 3600.0))


def sent_bytes(install: Install, full_bytes: int) -> int:
    """What crosses the line for an install: its deltas, or all of it."""
    return sum(fetch.size_bytes for fetch in install.fetches) if install.fetches else full_bytes
