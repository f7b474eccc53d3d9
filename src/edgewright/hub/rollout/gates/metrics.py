"""What each metric of a gate says of the evidence; docs/reference/gates.md tells of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.contract.api import GateState
from edgewright.hub.rollout.gates.canaries import failures_differ, unsure_differ
from edgewright.hub.rollout.gates.evidence import Evidence, Found, Installed
from edgewright.hub.rollout.gates.labelled import LEAST_LABELS, bias, liars_of, wilson, without

TRIM_SHARE = 0.10
"""Of the devices' values at either end that a trimmed mean leaves out."""
LEAST_ROWS = 200


def trimmed_mean(values: Sequence[float], share: float = TRIM_SHARE) -> float:
    """The mean without the lowest and the highest `share` of the values (Tukey 1962): so many liars move it little."""
    cut = int(len(values) * share)
    kept = sorted(values)[cut : len(values) - cut]
    return sum(kept) / len(kept)


def _share(
    says: str, is_bad: Callable[[Installed], bool | None], *, is_of_trial: bool = False
) -> Callable[[Evidence, float], Found]:
    """Holds the share of devices of which `is_bad` is true, each counted once, to the limit.

    Trials that fail are over sooner than good ones: of those, devices that are still at it count as good.
    """

    def find(evidence: Evidence, limit: float) -> Found:
        answers = {one.device: is_bad(one) for one in evidence.installed}
        known = [answer for answer in answers.values() if answer is not None]
        if not known:
            return Found(None, "no device has reported it")
        bad, awaited = sum(known), evidence.awaited if is_of_trial else 0
        numbers = {"bad": bad, "devices": len(known), "share": bad / len(known)}
        state = GateState.FAILED if bad > limit * (len(known) + awaited) else GateState.PASSED
        reason = f"{bad} of {len(known)} devices {says}"
        return Found(state, f"{reason}, {awaited} are at it" if awaited else reason, numbers)

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
    """A challenger that labelled data show to be better scores otherwise, and is not held to the scores it replaces."""
    if evidence.shadow_bar is not None:
        return Found(None, "a challenger that is better on labelled data may score otherwise")
    values = {one.device: one.score_shift for one in evidence.installed}
    known = [value for value in values.values() if value is not None]
    if not known:
        return Found(None, "no device has compared the two versions")
    mean = trimmed_mean(known)
    state = GateState.PASSED if mean <= limit else GateState.FAILED
    reason = f"the scores of {len(known)} devices shift by {mean:.3f}, {limit:.3f} may"
    return Found(state, reason, {"score_shift": mean, "devices": len(known)})


def _drift(evidence: Evidence, limit: float) -> Found:
    if evidence.drift is None:
        return Found(None, "no profile of the new version has come")
    state = GateState.FAILED if evidence.drift > limit else GateState.PASSED
    return Found(
        state, f"its data are {evidence.drift:.3f} from the training data, {limit:.3f} may", {"drift": evidence.drift}
    )


def _estimated_accuracy(evidence: Evidence, limit: float) -> Found:
    """By the trimmed mean over devices: each counts once."""
    served = {one.device: one for one in evidence.canaries if one.estimated_right is not None}
    values = [(one.estimated_right or 0.0) / one.rows for one in served.values() if one.rows]
    rows = sum(one.rows for one in served.values())
    numbers: dict[str, float] = {"devices": len(values), "rows": rows}
    if rows < LEAST_ROWS:
        return Found(None, f"{rows} requests were scored, {LEAST_ROWS} must be", numbers)
    mean = trimmed_mean(values)
    state = GateState.PASSED if mean >= limit else GateState.FAILED
    return Found(state, f"{mean:.3f} by its scores, {limit:.3f} must be", numbers | {"accuracy": mean})


def _labelled_accuracy(evidence: Evidence, limit: float) -> Found:
    """It fails once the accuracy is below the limit beyond chance, and passes once it is seen to be above; both only if
    it would without the devices that speak most for it, as many as may lie.
    """
    right, rows = sum(one.right for one in evidence.labelled), sum(one.rows for one in evidence.labelled)
    numbers: dict[str, float] = {"right": right, "rows": rows}
    if rows < LEAST_LABELS:
        return Found(None, f"{rows} requests are labelled, {LEAST_LABELS} must be", numbers)
    low, high = wilson(right, rows)
    share = right / rows
    reason = f"{right} of {rows} labelled requests are right ({low:.3f} to {high:.3f}), {limit:.3f} must be"
    lying = liars_of(evidence.labelled)
    _, doubted_high = wilson(*without(evidence.labelled, lying, limit, is_up=False))
    right_left, rows_left = without(evidence.labelled, lying, limit, is_up=True)
    is_proven = rows_left > 0 and right_left >= limit * rows_left
    state = GateState.FAILED if doubted_high < limit else GateState.PASSED if is_proven else None
    return Found(state, reason, numbers | {"accuracy": share, "low": low, "high": high})


FIND: dict[str, Callable[[Evidence, float], Found]] = {  # metric: what it says of the evidence, at a limit
    "crashes": _share("had a crash of it", lambda one: one.has_crashed),
    "golden_parity": _share("fail the golden test", _fails_golden, is_of_trial=True),
    "latency": _share("are over the budget", lambda one: _over(one.latency_share), is_of_trial=True),
    "memory": _share("are over the budget", lambda one: _over(one.memory_share), is_of_trial=True),
    "shadow_agreement": _agreement,
    "score_shift": _score_shift,
    "canary_failures": failures_differ,
    "canary_unsure": unsure_differ,
    "drift": _drift,
    "estimated_accuracy": _estimated_accuracy,
    "labelled_accuracy": _labelled_accuracy,
    "bias": bias,
}
