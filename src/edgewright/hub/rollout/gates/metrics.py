"""The metrics that a gate can hold a wave to, with their defaults; docs/reference/gates.md tells of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgewright.contract.api import GateState
from edgewright.hub.rollout.gates.evidence import Evidence, Installed

BROAD_SHARE = 0.10
"""Of a wave's devices: more than this make a finding, fewer may be broken alone, or lie."""
TRIM_SHARE = 0.10
"""Of the devices' values at either end that a trimmed mean leaves out."""
SCORE_SHIFT = 0.5


@dataclass(frozen=True)
class Found:
    """What a metric says. A state of None: what it reads is missing; the rule's wait decides."""

    state: GateState | None
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """Something to hold a wave to. `limit` is the default of what may be `least` to `most`."""

    name: str
    about: str
    limit: float
    least: float
    most: float
    is_default: bool
    find: Callable[[Evidence, float], Found]
    wait_s: float = 0.0


def trimmed_mean(values: Sequence[float], share: float = TRIM_SHARE) -> float:
    """The mean without the lowest and the highest `share` of the values (Tukey 1962): so many liars move it little."""
    cut = int(len(values) * share)
    kept = sorted(values)[cut : len(values) - cut]
    return sum(kept) / len(kept)


def _share(name: str, is_bad: Callable[[Installed], bool | None]) -> Callable[[Evidence, float], Found]:
    """Holds the share of devices of which `is_bad` is true, each counted once, to the limit."""

    def find(evidence: Evidence, limit: float) -> Found:
        answers = {one.device: is_bad(one) for one in evidence.installed}
        known = [answer for answer in answers.values() if answer is not None]
        if not known:
            return Found(None, "no device has reported it")
        bad = sum(known)
        numbers = {"bad": bad, "devices": len(known), "share": bad / len(known)}
        state = GateState.FAILED if bad > limit * len(known) else GateState.PASSED
        return Found(state, f"{bad} of {len(known)} devices {name}", numbers)

    return find


def _over(share: float | None) -> bool | None:
    return None if share is None else share > 1.0


def _fails_golden(one: Installed) -> bool | None:
    return None if one.golden_passed is None else not one.golden_passed


def _agreement(evidence: Evidence, limit: float) -> Found:
    bar = limit if evidence.shadow_bar is None else min(limit, evidence.shadow_bar)
    values = {one.device: one.agreement for one in evidence.installed}
    known = [value for value in values.values() if value is not None]
    if not known:
        return Found(None, "no device has compared the two versions")
    mean = trimmed_mean(known)
    state = GateState.PASSED if mean >= bar else GateState.FAILED
    reason = f"{len(known)} devices agree to {mean:.3f}, {bar:.3f} must"
    return Found(state, reason, {"agreement": mean, "bar": bar, "devices": len(known)})


def _score_shift(evidence: Evidence, limit: float) -> Found:
    """A challenger that disagrees on purpose may shift its scores as far."""
    most = limit if evidence.shadow_bar is None else max(limit, 1.0 - evidence.shadow_bar)
    values = {one.device: one.score_shift for one in evidence.installed}
    known = [value for value in values.values() if value is not None]
    if not known:
        return Found(None, "no device has compared the two versions")
    mean = trimmed_mean(known)
    state = GateState.PASSED if mean <= most else GateState.FAILED
    reason = f"the scores of {len(known)} devices shift by {mean:.3f}, {most:.3f} may"
    return Found(state, reason, {"score_shift": mean, "most": most, "devices": len(known)})


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def _broad(name: str, about: str, says: str, is_bad: Callable[[Installed], bool | None]) -> Metric:
    return Metric(name, about, BROAD_SHARE, 0.0, 1.0, True, _share(says, is_bad))


METRICS = _by_name(
    _broad("crashes", "devices on which it crashed", "had a crash of it", lambda one: one.has_crashed),
    _broad("golden_parity", "devices that fail the golden test", "fail the golden test", _fails_golden),
    _broad("latency", "devices over the latency budget", "are over the budget", lambda one: _over(one.latency_share)),
    _broad("memory", "devices over the memory budget", "are over the budget", lambda one: _over(one.memory_share)),
    Metric("shadow_agreement", "how far it agrees with the running version", 0.5, 0.0, 1.0, True, _agreement),
    Metric("score_shift", "how far its scores shift", SCORE_SHIFT, 0.0, 1.0, True, _score_shift),
)
