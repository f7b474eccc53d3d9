"""Whether a challenger replaces the champion: declared rules on what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.contract.api import (
    BiasRules,
    CostLine,
    EvaluationRecord,
    Fairness,
    GroupGain,
    HoldoutEvaluation,
    JudgingRules,
    LineState,
    MetricGain,
    Outcome,
    PromotionRules,
    PromotionVerdict,
    RuleLine,
    SuperiorOn,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.judging.bias import bias_line
from edgewright.hub.automate.judging.groups import MAX_GROUPS
from edgewright.hub.automate.judging.metrics import ACCURACY, BRIER, MAE, R2

METRICS = (ACCURACY, BRIER, R2, MAE)
REQUIRABLE = ("bias", "fresh", "calibration")
NEEDS_POSITIVE = (Fairness.SELECTION_RATE, Fairness.TRUE_POSITIVE_RATE)
COST_RULES = ("latency", "latency_ratio", "size")
MAX_CUTS = 32


def promote(evidence: EvaluationRecord, rules: JudgingRules) -> PromotionVerdict:
    """Whether the challenger may replace the champion, with what each rule says and its numbers.

    NO where a rule failed, ASK where one is unsure, else YES. Rules on costs wait while there are no variants, and
    do not keep a challenger from being optimised.
    """
    wanted = rules.promotion
    lines = [
        *([_superior(evidence.holdouts, wanted)] if evidence.champion else []),
        *([_loss(one, wanted) for one in evidence.holdouts] if evidence.champion else []),
        *_group_lines(evidence.holdouts, wanted),
        *_cost_lines(evidence.costs, wanted),
        *_required(evidence, rules),
    ]
    return _verdict(lines, evidence)


def check_rules(rules: JudgingRules) -> None:
    """Raise InvalidInput, naming the key of edgewright.toml, unless a challenger can be judged by these rules."""
    evaluation, promotion = rules.evaluation, rules.promotion
    numbers: tuple[tuple[str, float, Callable[[float], bool], str], ...] = (
        ("evaluation.min_rows", evaluation.min_rows, lambda value: 2 <= value <= 1_000_000, "2 to 1000000"),
        ("evaluation.confidence", evaluation.confidence, lambda value: 0.5 <= value <= 0.9999, "0.5 to 0.9999"),
        ("promotion.margin", promotion.margin, lambda value: 0 <= value < 1e9, "0 or more"),
        ("promotion.max_loss", promotion.max_loss, lambda value: 0 <= value < 1e9, "0 or more"),
        ("promotion.max_group_loss", promotion.max_group_loss, lambda value: 0 <= value < 1e9, "0 or more"),
        ("promotion.max_latency_p95_ms", promotion.max_latency_p95_ms, lambda value: 0 <= value < 1e9, "0 or more"),
        ("promotion.max_latency_ratio", promotion.max_latency_ratio, lambda value: 0 <= value < 1e9, "0 or more"),
        ("promotion.max_size_bytes", promotion.max_size_bytes, lambda value: 0 <= value < 2**62, "0 or more"),
    )
    for field, value, is_fine, range_ in numbers:
        if not is_fine(value):
            raise InvalidInput(f"{field} is {value:g}", field=field, hint=f"Choose {range_}.")
    if promotion.metric not in ("", *METRICS):
        raise InvalidInput(f"no metric is called '{promotion.metric[:40]}'", field="promotion.metric", hint=_METRICS)
    strange = [name for name in promotion.require if name not in REQUIRABLE]
    if strange:
        hint = f"Choose from {', '.join(REQUIRABLE)}."
        raise InvalidInput(f"nothing called '{strange[0][:40]}' can be required", field="promotion.require", hint=hint)
    _check_groups(rules)
    if rules.bias is not None:
        _check_bias(rules.bias, evaluation.groups)


_METRICS = f"Choose from {', '.join(METRICS)}."


def _check_groups(rules: JudgingRules) -> None:
    evaluation = rules.evaluation
    if len(evaluation.groups) > MAX_GROUPS:
        raise InvalidInput(f"{len(evaluation.groups)} keys are declared", field="evaluation.groups", hint="At most 64.")
    for key, edges in evaluation.cuts.items():
        if not edges or len(edges) > MAX_CUTS or any(edge != edge for edge in edges):
            hint = f"Give 1 to {MAX_CUTS} numbers."
            raise InvalidInput(f"'{key[:40]}' has no edges that cut", field="evaluation.cuts", hint=hint)


def _check_bias(bias: BiasRules, groups: Sequence[str]) -> None:
    missing = [key for key in bias.groups if key not in groups]
    if missing or not bias.groups:
        hint = "Name them under [evaluation] groups too."
        raise InvalidInput(f"[bias] compares groups by {missing or 'nothing'}", field="bias.groups", hint=hint)
    if not 0 <= bias.limit < 1e9:
        raise InvalidInput(f"bias.limit is {bias.limit:g}", field="bias.limit", hint="Choose 0 or more.")
    if not 2 <= bias.min_rows <= 1_000_000:
        raise InvalidInput(f"bias.min_rows is {bias.min_rows}", field="bias.min_rows", hint="Choose 2 to 1000000.")
    if bias.positive is None and any(measure in NEEDS_POSITIVE for measure in bias.measures):
        hint = "Say which class counts as selected: positive = 1."
        raise InvalidInput("rates of selection need a positive class", field="bias.positive", hint=hint)


def _superior(holdouts: Sequence[HoldoutEvaluation], rules: PromotionRules) -> RuleLine:
    """Better by more than the margin, beyond doubt, where that is asked for."""
    if rules.superior_on is SuperiorOn.NONE:
        return RuleLine(rule="superior", state=LineState.PASSED, reason="it need not be better")
    asked = [one for one in holdouts if rules.superior_on is SuperiorOn.ANY or one.is_fresh is _is_fresh(rules)]
    if not asked:
        return RuleLine(rule="superior", state=LineState.FAILED, reason=f"there is no {rules.superior_on} hold-out")
    better = [one for one in asked if _low(one.metrics[0]) > rules.margin]
    if better:
        return RuleLine(rule="superior", state=LineState.PASSED, reason=f"it is better: {sentence(better[0])}")
    by = f" by more than {rules.margin:g}" if rules.margin else ""
    reason = f"it is better{by} on no hold-out: {'; '.join(map(sentence, asked))}"
    return RuleLine(rule="superior", state=LineState.FAILED, reason=reason)


def _is_fresh(rules: PromotionRules) -> bool:
    return rules.superior_on is SuperiorOn.FRESH


def _loss(one: HoldoutEvaluation, rules: PromotionRules) -> RuleLine:
    """No worse by more than it may: as seen, or with `prove_no_loss` beyond doubt (Piaggio et al., JAMA 2012)."""
    main = one.metrics[0]
    seen = _low(main) if rules.prove_no_loss else main.gain
    state = LineState.FAILED if seen < -rules.max_loss else LineState.PASSED
    told = "it is worse" if state is LineState.FAILED and main.gain < 0 else "its loss is within bounds"
    if state is LineState.FAILED and main.gain >= 0:
        told = "it may be worse"
    return RuleLine(rule="loss", state=state, reason=f"{told}: {sentence(one)}; {rules.max_loss:g} may be lost")


def _group_lines(holdouts: Sequence[HoldoutEvaluation], rules: PromotionRules) -> list[RuleLine]:
    every = [(one, group) for one in holdouts for group in one.groups]
    if not every:
        return []
    judged = [(one, group) for one, group in every if not group.is_small]
    lines = [line for one, group in judged if (line := _group_loss(one, group, rules))]
    lines += [line for one, group in judged if (line := _floor(one, group, rules))]
    small = [f"{group.key} {group.name} ({group.rows})" for _, group in every if group.is_small]
    told = f"groups that are judged: {len(judged)}"
    told += f"; too few rows: {', '.join(small[:8])}{' …' if len(small) > 8 else ''}" if small else ""
    return lines or [RuleLine(rule="groups", state=LineState.PASSED, reason=told)]


def _group_loss(one: HoldoutEvaluation, group: GroupGain, rules: PromotionRules) -> RuleLine | None:
    gain = group.gain
    if gain.champion is None or gain.high is None or gain.gain >= -rules.max_group_loss or gain.high >= 0:
        return None
    reason = f"it is worse for {group.key} {group.name}: {_numbers(gain, group.rows, one.holdout)}"
    return RuleLine(rule="group_loss", state=LineState.FAILED, reason=f"{reason}; {rules.max_group_loss:g} may be lost")


def _floor(one: HoldoutEvaluation, group: GroupGain, rules: PromotionRules) -> RuleLine | None:
    """A group under the floor fails where that is beyond doubt, and is unsure where chance may have done it."""
    value, floor, high = group.gain.challenger, rules.group_floor, group.challenger_high
    is_error = group.gain.metric in (BRIER, MAE)
    if floor is None or (value <= floor if is_error else value >= floor):
        return None
    bound = group.challenger_low if is_error else high
    is_proven = bound is not None and (bound > floor if is_error else bound < floor)
    state = LineState.FAILED if is_proven else LineState.UNSURE
    told = f"{group.gain.metric} is {value:.3f} for {group.key} {group.name} ({group.rows} rows of {one.holdout})"
    return RuleLine(rule="group_floor", state=state, reason=f"{told}, {floor:g} must be")


def _cost_lines(costs: Sequence[CostLine], rules: PromotionRules) -> list[RuleLine]:
    limits = (rules.max_latency_p95_ms, rules.max_latency_ratio, rules.max_size_bytes)
    asked = [name for name, limit in zip(COST_RULES, limits, strict=True) if limit]
    if not costs:
        return [RuleLine(rule=name, state=LineState.WAITS, reason="no variant is made yet") for name in asked]
    return [_cost(name, costs, rules) for name in asked]


def _cost(name: str, costs: Sequence[CostLine], rules: PromotionRules) -> RuleLine:
    if name == "latency":
        worst = max(costs, key=lambda one: one.latency_p95_ms)
        told = f"{worst.latency_p95_ms:.3f} ms at the 95th percentile on {worst.target}"
        return _limited(name, worst.latency_p95_ms, rules.max_latency_p95_ms, told, " ms")
    if name == "size":
        worst = max(costs, key=lambda one: one.size_bytes)
        told = f"{worst.size_bytes} bytes for {worst.target}"
        return _limited(name, worst.size_bytes, rules.max_size_bytes, told, " bytes")
    before = {one.target: one.champion_latency_p95_ms or 0.0 for one in costs}
    ratios = {one.target: one.latency_p95_ms / before[one.target] for one in costs if before[one.target]}
    if not ratios:
        return RuleLine(rule=name, state=LineState.PASSED, reason="the champion has no variant to compare with")
    target = max(ratios, key=lambda one: ratios[one])
    told = f"{ratios[target]:.2f} times the champion's latency on {target}"
    return _limited(name, ratios[target], rules.max_latency_ratio, told, "")


def _limited(name: str, value: float, limit: float, told: str, unit: str) -> RuleLine:
    state = LineState.FAILED if value > limit else LineState.PASSED
    return RuleLine(rule=name, state=state, reason=f"{told}, {limit:g}{unit} may be")


def _required(evidence: EvaluationRecord, rules: JudgingRules) -> list[RuleLine]:
    lines = []
    if "fresh" in rules.promotion.require and evidence.champion:  # a first version has not seen the field
        fresh = evidence.holdout(is_fresh=True)
        rows, least = fresh.rows if fresh else 0, rules.evaluation.min_rows
        state = LineState.PASSED if rows >= least else LineState.UNSURE
        lines.append(RuleLine(rule="fresh", state=state, reason=f"{rows} fresh rows have labels, {least} must"))
    if "calibration" in rules.promotion.require and evidence.champion:
        lines += [_calibration(one) for one in evidence.holdouts]
    if rules.bias is not None:
        line = bias_line(evidence.bias, rules.bias)
        lines.append(line if "bias" in rules.promotion.require else _told_only(line))
    return lines


def _told_only(line: RuleLine) -> RuleLine:
    return RuleLine(rule=line.rule, state=LineState.PASSED, reason=f"not required: {line.reason}")


def _calibration(one: HoldoutEvaluation) -> RuleLine:
    """By Brier's score, which is proper: worse beyond doubt fails."""
    brier = one.metric(BRIER)
    if brier is None or brier.high is None:
        reason = f"the scores on {one.holdout} are no probabilities"
        return RuleLine(rule="calibration", state=LineState.UNSURE, reason=reason)
    state = LineState.FAILED if brier.high < 0 else LineState.PASSED
    reason = f"its probabilities: {_numbers(brier, one.rows, one.holdout)}"
    return RuleLine(rule="calibration", state=state, reason=reason)


def _verdict(lines: Sequence[RuleLine], evidence: EvaluationRecord) -> PromotionVerdict:
    failed = [line.reason for line in lines if line.state is LineState.FAILED]
    unsure = [line.reason for line in lines if line.state is LineState.UNSURE]
    if failed:
        return PromotionVerdict(outcome=Outcome.NO, reason="; ".join(failed), lines=tuple(lines))
    if unsure:
        return PromotionVerdict(outcome=Outcome.ASK, reason="; ".join(unsure), lines=tuple(lines))
    first = lines[0].reason if lines and evidence.champion else "there is no champion to replace"
    return PromotionVerdict(outcome=Outcome.YES, reason=first, lines=tuple(lines))


def sentence(one: HoldoutEvaluation) -> str:
    """The main metric of both on a hold-out, with its numbers."""
    return _numbers(one.metrics[0], one.rows, one.holdout)


def _numbers(gain: MetricGain, rows: int, holdout: str) -> str:
    against = "" if gain.champion is None else f" against {gain.champion:.3f}"
    told = f"{gain.metric} {gain.challenger:.3f}{against} on {rows} rows of {holdout}"
    return told if gain.low is None else f"{told} (gain {gain.gain:+.3f}, {gain.low:+.3f} to {gain.high:+.3f})"


def _low(gain: MetricGain) -> float:
    return gain.gain if gain.low is None else gain.low
