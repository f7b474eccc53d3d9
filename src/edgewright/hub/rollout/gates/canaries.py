"""What the comparison of canaries with controls says as a rule of a gate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from edgewright.contract.api import GateState
from edgewright.hub.rollout.gates.comparison import Arm, Comparison, Method, compare
from edgewright.hub.rollout.gates.evidence import Evidence, Found, Served

FAILURES = "canary_failures"
UNSURE = "canary_unsure"
COMPARISONS = frozenset({FAILURES, UNSURE})
"""The metrics that hold canaries against controls."""
DOUBLED = 1.0
"""A rise that must be visible before silence says something."""


def failures_differ(evidence: Evidence, alpha: float) -> Found:
    """Whether requests fail more often on canaries; `alpha` is the chance of a false alarm in a whole rollout."""
    return _differ(evidence, alpha, FAILURES, "fail", lambda one: (one.failed, one.failed_before))


def unsure_differ(evidence: Evidence, alpha: float) -> Found:
    """Whether canaries give low scores more often; `alpha` is the chance of a false alarm in a whole rollout."""
    return _differ(evidence, alpha, UNSURE, "are unsure", lambda one: (one.unsure, one.unsure_before))


def _differ(
    evidence: Evidence, alpha: float, metric: str, what: str, counts: Callable[[Served], tuple[int, int]]
) -> Found:
    canary, control = _arm(evidence.canaries, counts), _arm(evidence.controls, counts)
    result = compare(canary, control, _look_before(evidence, metric))
    numbers = _numbers(result, len(canary), len(control))
    if result.is_alarm(alpha):
        more = f"{result.rise:+.0%} against {len(control)} controls, p = {result.p:.2g}"
        return Found(GateState.FAILED, f"requests on {len(canary)} canaries {what} more often: {more}", numbers)
    if result.method is Method.NONE:
        reason = f"{len(canary)} canaries and {len(control)} controls have too few requests that {what} to compare"
        return Found(None, reason, numbers)
    if result.visible_rise > DOUBLED:
        seen = f"a rise to {1 + result.visible_rise:.1f} times as many"
        return Found(None, f"power is low: of requests that {what}, {seen} would show by now", numbers)
    reason = f"requests {what} on {len(canary)} canaries as on {len(control)} controls ({result.rise:+.0%})"
    return Found(GateState.PASSED, reason, numbers)


def _arm(devices: Iterable[Served], counts: Callable[[Served], tuple[int, int]]) -> Arm:
    """Each device once, in the order of their names: that in which they were read says nothing."""
    of = {one.device: one for one in devices}
    rows = [(of[name].rows, of[name].rows_before, *counts(of[name])) for name in sorted(of)]
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    return Arm(rows=columns[0], failed=columns[2], rows_before=columns[1], failed_before=columns[3])


def _look_before(evidence: Evidence, metric: str) -> int:
    """The last look of the exact test: over all waves of a rollout, as they share one chance of a false alarm."""
    return max((int(one.numbers.get("look", 0)) for one in evidence.before if one.metric == metric), default=0)


def _numbers(result: Comparison, canaries: int, controls: int) -> dict[str, float]:
    numbers = {"canaries": canaries, "controls": controls, "p": result.p, "look": result.look}
    if result.method is not Method.NONE:
        numbers |= {"rate": result.rate, "rise": result.rise}
    if math.isfinite(result.visible_rise):
        numbers["visible_rise"] = result.visible_rise
    return numbers
