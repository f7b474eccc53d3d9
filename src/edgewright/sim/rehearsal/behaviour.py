"""What a release does on a rehearsed device: how long its steps take, whether they end well, what is measured."""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import Badness
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install
from edgewright.contract.report import GoldenResult, ShadowResult
from edgewright.hub.rehearsals.question import DeviceFact

START_S = 5.0  # to stage a package, and to start its worker
SOAK_S = 10.0  # of requests after the golden ones, as agents are set up
REQUESTS_S = 1.0  # that apps make, of which a shadow phase copies
CRASHES_AFTER_S = 3600.0
CRASHES_LAST_S = 360.0  # from the first crash to the one that is too many
SLOWER = 3.0
AGREEMENT = 0.98
GOLDEN = GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0)


@dataclass(frozen=True)
class Tried:
    """How a trial ends."""

    is_ok: bool
    reason: str = ""
    golden: GoldenResult | None = None
    shadow: ShadowResult | None = None
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Behaviour:
    """`failure_rate` of installs fail whatever the release is like; good ones take `latency_share` of their budget."""

    badness: Badness | None
    failure_rate: float
    latency_share: float

    @property
    def crashes(self) -> bool:
        """Whether it crashes once it has served for a while."""
        return self.badness is Badness.CRASHES

    def fetch_s(self, install: Install, fact: DeviceFact, full_bytes: int) -> float:
        """How long bytes and deltas take on this device's line."""
        bytes_s = sent_bytes(install, full_bytes) / fact.download_bytes_s
        apply_s = full_bytes / fact.apply_bytes_s if install.fetches and fact.apply_bytes_s else 0.0
        return bytes_s + fact.request_s * (1 + len(install.fetches)) + apply_s

    def trial_s(self, install: Install, *, has_active: bool) -> float:
        """How long golden test, soak and shadow phase take."""
        shadow = install.shadow if has_active else None
        return START_S + SOAK_S + (min(shadow.max_wait_s, shadow.min_requests / REQUESTS_S) if shadow else 0.0)

    def tried(self, install: Install, manifest: Manifest, chance: random.Random, *, has_active: bool) -> Tried:
        """What the trial finds."""
        if chance.random() < self.failure_rate:
            return Tried(is_ok=False, reason="failed as past installs did")
        budget_ms = manifest.budgets.latency_p95_ms
        latency_ms = budget_ms * self.latency_share * (SLOWER if self.badness is Badness.SLOWER else 1.0)
        if self.badness is Badness.FAILS_GOLDEN:
            golden = msgspec.structs.replace(GOLDEN, passed=False, max_error=1.0, argmax_agreement=0.5)
            return Tried(is_ok=False, reason="golden outputs differ", golden=golden)
        if latency_ms > budget_ms:
            reason = f"latency p95 {latency_ms:.1f} ms, {budget_ms:.1f} ms may"
            return Tried(is_ok=False, reason=reason, golden=GOLDEN, latency_p95_ms=latency_ms)
        shadow = install.shadow if has_active else None
        seen = (
            ShadowResult(requests=shadow.min_requests, agreement=AGREEMENT, score_shift=0.02, latency_ratio=1.0)
            if shadow
            else None
        )
        memory_bytes = manifest.budgets.memory_bytes // 2
        return Tried(is_ok=True, golden=GOLDEN, shadow=seen, latency_p95_ms=latency_ms, memory_bytes=memory_bytes)


def sent_bytes(install: Install, full_bytes: int) -> int:
    """What crosses the line for an install: its deltas, or all of it."""
    return sum(fetch.size_bytes for fetch in install.fetches) if install.fetches else full_bytes
