"""What a badness comes to on this fleet, in a few words: what a reader needs where no gate stopped it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewright.contract.api import Badness
from edgewright.contract.manifest import Budgets
from edgewright.hub.rehearsals.question import DeviceFact, Facts
from edgewright.sim.rehearsal.behaviour import (
    CRASHES_AFTER_S,
    DISAGREEMENT,
    HEAVIER,
    LARGE_SHIFT,
    SLOWER,
    compared_requests,
)
from edgewright.sim.rehearsal.requests import DOUBLED, LESS_SURE


def effect_of(badness: Badness | None, facts: Facts) -> str:
    """What a release that is bad in this way does on the devices of these facts; '' for one that is not."""
    return _EFFECTS[badness](facts) if badness else ""


def _slower(facts: Facts) -> str:
    """On the device that comes nearest to its budget."""
    taken = [
        (SLOWER * fact.latency_p95_ms, budgets.latency_p95_ms)
        for fact, budgets in _packages(facts)
        if fact.latency_p95_ms
    ]
    if not taken:
        return "its latency was measured nowhere: how slow it would be is not known"
    taken_ms, budget_ms = max(taken, key=lambda pair: pair[0] / pair[1])
    return f"p95 {taken_ms:.3g} ms, {SLOWER:g} times what was measured; its budget is {budget_ms:.3g} ms"


def _heavier(facts: Facts) -> str:
    taken = [
        (HEAVIER * fact.memory_bytes, budgets.memory_bytes) for fact, budgets in _packages(facts) if fact.memory_bytes
    ]
    if not taken:
        return "its memory was measured nowhere: how much it would take is not known"
    taken_bytes, budget_bytes = max(taken, key=lambda pair: pair[0] / pair[1])
    said = f"{_mib(taken_bytes)}, {HEAVIER:g} times what was measured"
    return f"{said}; its budget is {_mib(budget_bytes)}"


def _disagrees(facts: Facts) -> str:
    """How far, and on how many requests a device compares the two: on too few it lets the release pass."""
    said = f"it agrees with the version before on {DISAGREEMENT:.0%} of requests, its scores shift by {LARGE_SHIFT:g}"
    gate = facts.draft.gate
    seen = compared_requests(facts, gate.shadow_requests, gate.shadow_wait_s)
    return f"{said}; each device compares {seen} of {gate.shadow_requests} wanted requests"


def _errors(facts: Facts) -> str:
    if not facts.failed_share:
        return "no request failed on the last day: twice as many are none"
    return f"{DOUBLED * facts.failed_share:.2%} of requests get no answer, {facts.failed_share:.2%} did not before"


def _unsure(facts: Facts) -> str:
    if facts.score is None:
        return "no device has told of its scores of late: a rehearsal cannot lower them"
    return f"its scores fall from {facts.score:.2f} on average to {facts.score * LESS_SURE:.2f}"


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.3g} MiB"


def _packages(facts: Facts) -> Iterator[tuple[DeviceFact, Budgets]]:
    for fact in facts.devices:
        yield fact, facts.budgets[facts.draft.target_of[fact.id]]


_EFFECTS: dict[Badness, Callable[[Facts], str]] = {
    Badness.FAILS_GOLDEN: lambda facts: "its golden outputs differ on every device",
    Badness.CRASHES: lambda facts: f"it crashes three times, {CRASHES_AFTER_S / 3600:g} h after it has taken over",
    Badness.SLOWER: _slower,
    Badness.HEAVIER: _heavier,
    Badness.DISAGREES: _disagrees,
    Badness.UNSURE: _unsure,
    Badness.ERRORS: _errors,
}
