"""Compares two versions on one hold-out: every metric, and the task's by group. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import EvaluationRules, GroupGain, HoldoutEvaluation
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.judging.metrics import Pair, differing, gain, known_metrics, own_interval

PAIRED = "paired on the same rows"
CLUSTERED = "variance between devices"


@dataclass(frozen=True)
class Holdout:
    """One hold-out with both versions' answers. `groups` maps each declared key to the group of each row."""

    name: str
    sha256: str
    is_fresh: bool
    pair: Pair
    groups: Mapping[str, np.ndarray]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.pair.design)


def compare(holdouts: Sequence[Holdout], rules: EvaluationRules, metric: str = "") -> tuple[HoldoutEvaluation, ...]:
    """Judge both on every hold-out; `metric` is the one that decides, by default the task's.

    The intervals of all hold-outs hold together with `rules.confidence`, and so do those of all groups that have
    `rules.min_rows` (Bonferroni: Dunn 1961). Raises InvalidInput for a metric that these answers do not tell.
    """
    alpha = 1.0 - rules.confidence
    judged = sum(len(_sizes(one, key, rules.min_rows)) for one in holdouts for key in one.groups)
    by_group = alpha / max(1, judged)
    return tuple(_compare(one, rules, metric, alpha / len(holdouts), by_group) for one in holdouts)


def metric_of(pair: Pair, metric: str) -> str:
    """The metric that decides; raises InvalidInput where these answers do not tell it."""
    known = known_metrics(pair)
    if metric and metric not in known:
        hint = f"This model can be judged by {', '.join(known)}."
        raise InvalidInput(f"its answers tell no {metric}", field="promotion.metric", hint=hint)
    return metric or known[0]


def _compare(one: Holdout, rules: EvaluationRules, metric: str, alpha: float, group_alpha: float) -> HoldoutEvaluation:
    chosen = metric_of(one.pair, metric)
    pair = one.pair
    return HoldoutEvaluation(
        holdout=one.name,
        sha256=one.sha256,
        is_fresh=one.is_fresh,
        rows=one.rows,
        effective_rows=pair.design.effective_rows(differing(chosen, pair)),
        confidence=1.0 - alpha,
        method=f"{PAIRED}, {CLUSTERED}" if pair.design.cluster_count else PAIRED,
        metrics=tuple(gain(name, pair, alpha) for name in _ordered(chosen, known_metrics(pair))),
        groups=tuple(line for key in sorted(one.groups) for line in _groups(one, key, chosen, rules, group_alpha)),
        agreement=_agreement(pair),
    )


def _ordered(first: str, names: Sequence[str]) -> list[str]:
    return [first, *(name for name in names if name != first)]


def _groups(one: Holdout, key: str, metric: str, rules: EvaluationRules, alpha: float) -> list[GroupGain]:
    lines = []
    for name, rows in _sizes(one, key, 1).items():
        pair = one.pair[one.groups[key] == name]
        own = own_interval(metric, pair, alpha)
        lines.append(
            GroupGain(
                key=key,
                name=name,
                rows=rows,
                is_small=rows < rules.min_rows,
                gain=gain(metric, pair, alpha),
                challenger_low=own[0] if own else None,
                challenger_high=own[1] if own else None,
            )
        )
    return lines


def _sizes(one: Holdout, key: str, least: int) -> dict[str, int]:
    names, counts = np.unique(one.groups[key], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True) if count >= least}


def _agreement(pair: Pair) -> float | None:
    if pair.old is None or pair.old.classes is None or pair.new.classes is None:
        return None
    return pair.design.mean((pair.old.classes == pair.new.classes).astype(np.float64))
