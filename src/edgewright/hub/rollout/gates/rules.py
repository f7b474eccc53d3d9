"""The rules of a gate: each metric with its default, and what it says of the evidence. All pure."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.contract import order
from edgewright.contract.api import GateDraft, GateRule, GateState, GateVerdict
from edgewright.contract.errors import InvalidInput
from edgewright.contract.gating import GATE_METRICS, GateMetric
from edgewright.hub.rollout.gates.evidence import Evidence
from edgewright.hub.rollout.gates.metrics import FIND

MAX_RULES = 32
MAX_WAIT_S = 30 * 86400.0


def judge(gate: GateDraft, evidence: Evidence, now: float) -> tuple[GateVerdict, ...]:
    """What each rule of the gate says, in the catalogue's order; see docs/reference/gates.md.

    The answer depends on the evidence alone, not on the order in which it came.
    """
    return tuple(_verdict(GATE_METRICS[rule.metric], rule, evidence, now) for rule in rules_of(gate))


def rules_of(gate: GateDraft) -> tuple[GateRule, ...]:
    """The rules that are on: those for everybody, changed and joined by the gate's own. The last of a metric counts."""
    own = {rule.metric: rule for rule in gate.rules}
    wanted = [own.get(name, GateRule(metric=name, is_on=metric.is_default)) for name, metric in GATE_METRICS.items()]
    return tuple(rule for rule in wanted if rule.is_on)


def check_gate(gate: GateDraft) -> None:
    """Raise InvalidInput unless the gate's numbers can be met and its rules are known."""
    most_s = order.MAX_WAIT_S
    rules: tuple[tuple[str, float, Callable[[float], bool], str], ...] = (
        ("max_failed", gate.max_failed, lambda value: value >= 0, "0 or more"),
        ("min_reported", gate.min_reported, lambda value: 0 < value <= 1, "above 0 and at most 1"),
        ("patience_s", gate.patience_s, lambda value: 0 < value <= most_s, "above 0 seconds, at most 31 days"),
        ("shadow_requests", gate.shadow_requests, lambda value: 0 <= value <= order.MAX_REQUESTS, "0 to 1000000"),
        ("shadow_agreement", gate.shadow_agreement, lambda value: 0 <= value <= 1, "between 0 and 1"),
        ("shadow_wait_s", gate.shadow_wait_s, lambda value: 0 <= value <= most_s, "0 seconds to 31 days"),
    )
    for name, value, is_fine, wanted in rules:
        if not is_fine(value):
            raise InvalidInput(f"{name} is {value:g}", field=f"gate.{name}", hint=f"Choose {wanted}.")
    if len(gate.rules) > MAX_RULES:
        raise InvalidInput(f"a gate has at most {MAX_RULES} rules, not {len(gate.rules)}", field="gate.rules")
    for rule in gate.rules:
        _check_rule(rule)


def _check_rule(rule: GateRule) -> None:
    metric = GATE_METRICS.get(rule.metric)
    if metric is None:
        hint = f"The metrics are {', '.join(GATE_METRICS)}."
        raise InvalidInput(f"no gate knows the metric '{rule.metric[:60]}'", field="gate.rules", hint=hint)
    if rule.limit is not None and not metric.least <= rule.limit <= metric.most:
        hint = f"Choose {metric.least:g} to {metric.most:g}."
        raise InvalidInput(f"the limit of {metric.name} is {rule.limit:g}", field="gate.rules", hint=hint)
    if rule.wait_s is not None and not 0 <= rule.wait_s <= MAX_WAIT_S:
        hint = f"Choose 0 to {MAX_WAIT_S:g} seconds."
        raise InvalidInput(f"{metric.name} cannot wait for {rule.wait_s:g} s", field="gate.rules", hint=hint)


def _verdict(metric: GateMetric, rule: GateRule, evidence: Evidence, now: float) -> GateVerdict:
    limit = metric.limit if rule.limit is None else rule.limit
    wait_s = metric.wait_s if rule.wait_s is None else rule.wait_s
    found = FIND[metric.name](evidence, limit)
    numbers = {"limit": limit, **found.numbers}
    if found.state is not None:
        return GateVerdict(metric=metric.name, state=found.state, reason=found.reason, numbers=numbers)
    left_s = wait_s if evidence.committed_at is None else evidence.committed_at + wait_s - now
    if left_s > 0:
        reason = f"{found.reason}; waits for at most {left_s:.0f} s"
        return GateVerdict(metric=metric.name, state=GateState.HELD, reason=reason, numbers=numbers)
    return GateVerdict(metric=metric.name, state=GateState.PASSED, reason=found.reason, numbers=numbers)
