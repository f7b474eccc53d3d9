"""When a trigger fires, and when a challenger may replace the champion. Pure rules."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from edgewright.contract.api import EvaluationRecord, PipelineDraft, TriggerDraft, TriggerRecord
from edgewright.contract.errors import InvalidInput, NotFound, Refused
from edgewright.hub.rollout.gates import check_gate
from edgewright.hub.rollout.planning import check_waves

BOOTSTRAPS = 2000
MAX_TIMEOUT_S = 7 * 86400.0
MAX_PARAMS_BYTES = 32 * 1024
MAX_SAMPLES = 100_000
MAX_LABELS = 1_000_000
MAX_RUNS = 1_000_000
MAX_COOLDOWN_S = 366 * 86400.0
MAX_LOSS = 0.03
"""How much accuracy a challenger may lose, at most, on a hold-out where it need not win."""


class UnknownPipeline(NotFound):
    code = "unknown_pipeline"
    hint = "`edgewright train` in the project's folder stores it."


class ChallengerNotBetter(Refused):
    code = "challenger_not_better"
    hint = "The champion stays. Label more samples, or change the training."


class TrainingFailed(Refused):
    code = "training_failed"
    hint = "`edgewright run show ID` prints the log of the command."


class Verdict(msgspec.Struct, frozen=True):
    """A decision and the sentence that explains it."""

    yes: bool
    reason: str


def check_params(params: dict[str, Any]) -> None:
    """Raise InvalidInput for parameters that fit neither a process's environment nor a statement of provenance."""
    size_bytes = len(msgspec.json.encode(params))
    if size_bytes > MAX_PARAMS_BYTES:
        hint = "Put large values into a file of the snapshot or of the code."
        message = f"the parameters take {size_bytes} bytes as JSON, more than {MAX_PARAMS_BYTES}"
        raise InvalidInput(message, field="params", hint=hint)


def check_pipeline(draft: PipelineDraft) -> None:
    """Raise InvalidInput unless the command can be started."""
    check_params(draft.params)
    try:
        words = shlex.split(draft.command)
    except ValueError as error:
        raise InvalidInput(f"the command cannot be read: {error}", field="command", hint="Check its quotes.") from error
    if not words or not draft.command.isprintable():
        raise InvalidInput("the command is empty, or has characters that do not print", field="command")
    if not 0 < draft.timeout_s <= MAX_TIMEOUT_S:
        hint = f"Choose more than 0 and at most {MAX_TIMEOUT_S:g} seconds."
        raise InvalidInput(f"a command cannot have {draft.timeout_s:g} s", field="timeout_s", hint=hint)


def check_trigger(draft: TriggerDraft) -> None:
    """Raise InvalidInput unless a repair by this trigger can end: numbers in range, waves that rise, a fine gate."""
    numbers = (
        ("samples_per_device", draft.samples_per_device, MAX_SAMPLES),
        ("min_labels", draft.min_labels, MAX_LABELS),
        ("max_runs", draft.max_runs, MAX_RUNS),
    )
    for name, value, most in numbers:
        if not 0 < value <= most:
            raise InvalidInput(f"{name} is {value}", field=name, hint=f"Choose 1 to {most}.")
    if not 0 <= draft.cooldown_s <= MAX_COOLDOWN_S:
        hint = f"Choose 0 to {MAX_COOLDOWN_S:g} seconds."
        raise InvalidInput(f"cooldown_s is {draft.cooldown_s:g}", field="cooldown_s", hint=hint)
    check_gate(draft.gate)
    check_waves(draft.rollout_waves or (1,))


def should_fire(trigger: TriggerRecord, now: float, active: Sequence[str]) -> Verdict:
    """Whether an alert starts a repair; `active` names the repairs of this model that have not ended."""
    draft = trigger.draft
    if active:
        return Verdict(False, f"{active[0]} is still at work on {draft.model}")
    if trigger.runs >= draft.max_runs:
        return Verdict(False, f"the budget of {draft.max_runs} runs is spent")
    if trigger.last_fired_at is not None and now < trigger.last_fired_at + draft.cooldown_s:
        wait_s = trigger.last_fired_at + draft.cooldown_s - now
        return Verdict(False, f"cooling down: {wait_s:.0f} s are left of {draft.cooldown_s:.0f} s")
    return Verdict(True, f"run {trigger.runs + 1} of at most {draft.max_runs}")


def paired_interval(champion: np.ndarray, challenger: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the difference in accuracy, challenger less champion, by paired bootstrap.

    Both are boolean arrays of shape (rows,): whether each answer was right (Efron & Tibshirani 1993, ch. 13).
    """
    difference = challenger.astype(np.float64) - champion.astype(np.float64)
    chosen = np.random.default_rng(seed).integers(0, len(difference), (BOOTSTRAPS, len(difference)))
    low, high = np.quantile(difference[chosen].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def promote(evaluations: Sequence[EvaluationRecord]) -> Verdict:
    """Whether a challenger may replace the champion: better beyond doubt on one pinned hold-out, much worse on none."""
    worse = [item for item in evaluations if item.accuracy_challenger < item.accuracy_champion - MAX_LOSS]
    if worse:
        return Verdict(False, f"it is worse on {worse[0].holdout}: {_sentence(worse[0])}")
    better = [item for item in evaluations if item.is_better]
    if better:
        return Verdict(True, f"it is better on {better[0].holdout}: {_sentence(better[0])}")
    return Verdict(False, "it is better on no hold-out: " + "; ".join(map(_sentence, evaluations)))


def expected_agreement(evaluations: Sequence[EvaluationRecord]) -> float | None:
    """How often a promoted challenger agrees with the champion where they agree least; None if it was not promoted."""
    if not evaluations or not promote(evaluations).yes:
        return None
    return min(item.agreement for item in evaluations)


def _sentence(item: EvaluationRecord) -> str:
    return (
        f"{item.accuracy_challenger:.3f} against {item.accuracy_champion:.3f} on {item.rows} rows "
        f"(95 % interval of the difference {item.low:+.3f} to {item.high:+.3f})"
    )
