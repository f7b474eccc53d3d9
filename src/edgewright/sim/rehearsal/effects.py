"""What a badness comes to on this fleet, in a few words: what a reader needs where no gate stopped it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewright.contract.api import Badness
from edgewright.contract.manifest import Budgets
from edgewright.hub.rehearsals.question import DeviceFact, Facts
from edgewright.sim.rehearsal.behaviour import CRASHES_AFTER_S, SLOWER


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


def _packages(facts: Facts) -> Iterator[tuple[DeviceFact, Budgets]]:
    for fact in facts.devices:
        yield fact, facts.budgets[facts.draft.target_of[fact.id]]


_EFFECTS: dict[Badness, Callable[[Facts], str]] = {
    Badness.FAILS_GOLDEN: lambda facts: "its golden outputs differ on every device",
    Badness.CRASHES: lambda facts: f"it crashes three times, {CRASHES_AFTER_S / 3600:g} h after it has taken over",
    Badness.SLOWER: _slower,
    Badness.ERRORS: lambda facts: f"{2 * facts.failed_share:.2%} of requests fail, {facts.failed_share:.2%} did before",
}
