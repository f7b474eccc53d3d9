"""What was asked of a rollout, in words: schedule, windows, budgets, caps and the gate. All pure."""

from __future__ import annotations

from edgewright.contract.api import Budget, GateDraft, RolloutRecord, ScheduleDraft, SiteCap
from edgewright.contract.gating import GATE_METRICS
from edgewright.hub.web.wording import duration, plural, size, utc


def terms(record: RolloutRecord, now: float) -> tuple[tuple[str, str], ...]:
    """Names and words of what bounds a rollout; nothing for what it was not asked to keep to."""
    told = [("Emergency", record.emergency), *_schedule(record.schedule, now)]
    told += [("Budget", _budget(one)) for one in record.budgets]
    told += [("Cap", _cap(one)) for one in record.caps]
    return tuple((name, words) for name, words in told if words)


def gate_terms(gate: GateDraft) -> tuple[str, ...]:
    """What a gate asks of a wave, a sentence each."""
    failed = f"at most {plural(gate.max_failed, 'device')} may fail" if gate.max_failed else "no device may fail"
    told = [failed, f"{gate.min_reported:.0%} of a wave must have answered"]
    told.append(f"who is silent for {duration(gate.patience_s)}, and for three late check-ins, holds nobody up")
    if gate.shadow_requests:
        told.append(
            f"{gate.shadow_requests} requests are answered beside the old version before the switch, "
            f"and {gate.shadow_agreement:.0%} of the answers must agree"
        )
    for rule in gate.rules:
        about = GATE_METRICS[rule.metric].about if rule.metric in GATE_METRICS else rule.metric
        told.append(
            f"{about} {rule.limit:g}"
            if rule.is_on and rule.limit is not None
            else about
            if rule.is_on
            else f"{rule.metric.replace('_', ' ')} is not looked at"
        )
    return tuple(told)


def _schedule(schedule: ScheduleDraft, now: float) -> list[tuple[str, str]]:
    found = []
    if schedule.start_at is not None:
        left_s = schedule.start_at - now
        when = f"{utc(schedule.start_at, '%Y-%m-%d %H:%M')} UTC"
        found.append(("Start", f"{when}, in {duration(left_s)}" if left_s > 0 else when))
    if schedule.windows:
        found.append(("Windows", f"{' and '.join(schedule.windows)}, by each device's own clock"))
    if schedule.max_defer_s:
        found.append(("Deferral", f"a busy device may put it off for {duration(schedule.max_defer_s)}"))
    return found


def _budget(budget: Budget) -> str:
    return f"at most {plural(budget.max_unavailable, 'device')} of the same {budget.per} unavailable or at it at a time"


def _cap(cap: SiteCap) -> str:
    told = [f"{cap.max_at_once:,} at once"] if cap.max_at_once else []
    told += [f"{size(round(cap.bytes_s))}/s"] if cap.bytes_s else []
    return f"{' and '.join(told)} for each {cap.per}" if told else ""
