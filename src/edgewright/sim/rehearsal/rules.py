"""What each rule of the gates would have done about a rehearsed release: read from the verdicts of the waves. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.contract.api import GateState, GateVerdict, RehearsedRule, RolloutRecord, RuleAnswer, WaveRecord
from edgewright.hub.rollout.model import WaveState

INSTALLS = "installs"
"""The count of installs, by which a gate decides before it asks its rules."""
WAITS = "; waits for at most"
FOUND = {  # metric: the number that its verdict has once there is something to judge by
    "crashes": "share",
    "golden_parity": "share",
    "latency": "share",
    "memory": "share",
    "shadow_agreement": "agreement",
    "score_shift": "score_shift",
    "canary_failures": "visible_rise",
    "canary_unsure": "visible_rise",
    "drift": "drift",
    "estimated_accuracy": "accuracy",
    "labelled_accuracy": "accuracy",
    "bias": "difference",
}
VISIBLE_RISE = 1.0
"""A comparison to which a doubling would not show yet says nothing."""


def rules_of(record: RolloutRecord) -> tuple[RehearsedRule, ...]:
    """Each rule that was on, and first the count of installs: in which wave it stops the release, or that it does not.

    Where one rule has ended the rollout, the others are told by what they said until then.
    """
    waves = [wave for wave in record.waves if wave.started_at is not None]
    said: dict[str, list[tuple[int, GateVerdict]]] = {}
    for wave in waves:
        for verdict in wave.verdicts:
            said.setdefault(verdict.metric, []).append((wave.number, verdict))
    return (*_installs(waves, record.reason), *(_rule(metric, verdicts) for metric, verdicts in said.items()))


def _installs(waves: list[WaveRecord], reason: str) -> Iterator[RehearsedRule]:
    if not waves:
        return
    last = waves[-1]
    if last.state == WaveState.FAILED and not _is_by_rules(last):
        why = reason.removeprefix(f"wave {last.number}: ")
        yield RehearsedRule(rule=INSTALLS, answer=RuleAnswer.STOPPED, wave=last.number, reason=why)
        return
    failed = sum(wave.failed for wave in waves)
    why = f"{sum(wave.committed for wave in waves)} committed, {failed} failed"
    yield RehearsedRule(rule=INSTALLS, answer=RuleAnswer.NOT_STOPPED, reason=why)


def _is_by_rules(wave: WaveRecord) -> bool:
    failed = [verdict for verdict in wave.verdicts if verdict.state is GateState.FAILED]
    return any(wave.reason.startswith(f"{verdict.metric}: ") for verdict in failed)


def _rule(metric: str, verdicts: list[tuple[int, GateVerdict]]) -> RehearsedRule:
    for wave, verdict in verdicts:
        if verdict.state is GateState.FAILED:
            return RehearsedRule(rule=metric, answer=RuleAnswer.STOPPED, wave=wave, reason=verdict.reason)
    telling = [verdict for _, verdict in verdicts if _can_say(verdict)]
    answer = RuleAnswer.NOT_STOPPED if telling else RuleAnswer.CANNOT_SAY
    reason = (telling or [verdict for _, verdict in verdicts])[-1].reason
    return RehearsedRule(rule=metric, answer=answer, reason=reason.partition(WAITS)[0])


def _can_say(verdict: GateVerdict) -> bool:
    """Whether it was judged by evidence: a rule also passes where what it reads is missing."""
    if verdict.state is not GateState.PASSED:
        return False
    name = FOUND.get(verdict.metric, "")
    found = verdict.numbers.get(name)
    if found is None:
        return False
    if name == "visible_rise":
        return found <= VISIBLE_RISE
    return name != "share" or found <= verdict.numbers["limit"]  # it passes until those still at it have answered
