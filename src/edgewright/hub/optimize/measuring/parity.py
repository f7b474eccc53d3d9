"""How far a variant may stray from its source: the one table of gates, and the verdicts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgewright.contract.api import Metric, Quality
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.optimize.measuring.metrics import predicted
from edgewright.hub.optimize.model import Parity, Precision

MAX_RELATIVE_ERROR = {Precision.FP32: 1e-4, Precision.HALF: 2e-2}
"""What outputs may differ by, over the greatest magnitude of the source's: rounding, in 24 and in 8 to 11 bits."""

MIN_AGREEMENT = 0.9
"""Of classes, for what goes by the task's metric: a variant that answers otherwise more often is another model, however
good it is. (A distilled student of equal accuracy differs in a few per cent of the rows.)"""

FEW_ROWS = 3.7
"""What a hold-out cannot tell from none: the upper end of the interval of a count of nought (-ln 0.025)."""

MAX_STEPS_ELSEWHERE = 2.0
MIN_AGREEMENT_ELSEWHERE = 0.998
"""Of one int8 model on two runtimes: steps of 1/255 of an output's range, and share of rows with the same class."""

NOT_ALIKE = float(np.finfo(np.float32).max)
"""Stands for "no number", which JSON does not know."""

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Sameness:
    """How the answers of one model on two runtimes compare."""

    steps: float  # greatest difference, in 1/255 of the output's range
    relative_error: float
    agreement: float  # share of rows with the same class; 1 for models without classes

    def holds(self, precision: Precision) -> bool:
        """Whether both compute the same model, at this precision."""
        if precision is Precision.INT8:
            return self.steps <= MAX_STEPS_ELSEWHERE and self.agreement >= MIN_AGREEMENT_ELSEWHERE
        return self.relative_error <= MAX_RELATIVE_ERROR[precision]


def judge(
    precision: Precision, contract: Contract, source: Outputs, variant: Outputs, quality: Quality, *, max_drop: float
) -> Parity:
    """Compare the outputs of variant and source on the same rows; `quality` is the variant's on them.

    fp32 and half: every float output within MAX_RELATIVE_ERROR of the source's, relative to its greatest magnitude.
    int8 (whatever was quantised, pruned or trained): by the task's metric. It lost at most `max_drop`; the upper end
    of that loss's interval is no higher either, or no higher than the hold-out can tell from no loss; and classes
    agree in at least MIN_AGREEMENT of the rows.
    """
    if precision is not Precision.INT8:
        error, allowed = relative_error(source, variant), MAX_RELATIVE_ERROR[precision]
        return Parity(
            value=error,
            is_kept=error <= allowed,
            reason=f"outputs differ by at most {error:.1e} of the source's range (allowed: {allowed:.0e})",
        )
    allowed_high = max(max_drop, FEW_ROWS / quality.rows)
    is_kept = quality.drop <= max_drop + 1e-9 and quality.drop_high <= allowed_high + 1e-9
    shares = (quality.drop, quality.drop_high, max_drop, allowed_high)
    lost, worst, limit, worst_limit = (0 - 100 * share for share in shares)
    reason = (
        f"{quality.metric} {quality.value:.4f}: {lost:+.2f} points (at least {limit:+.2f}), "
        f"and at worst {worst:+.2f} (97.5 % sure, at least {worst_limit:+.2f})"
    )
    if quality.metric is not Metric.ACCURACY:
        return Parity(value=quality.value, is_kept=is_kept, reason=reason)
    agreement = float(np.mean(predicted(contract, source) == predicted(contract, variant)))
    return Parity(
        value=agreement,
        is_kept=is_kept and agreement >= MIN_AGREEMENT,
        reason=f"agrees with the source on {agreement:.1%} of the hold-out (at least {MIN_AGREEMENT:.0%}), {reason}",
    )


def compare_elsewhere(contract: Contract, here: Outputs, elsewhere: Outputs) -> Sameness:
    """How one model's answers `elsewhere` differ from those `here`, on the same rows."""
    steps = max((_steps(here[name], elsewhere[name]) for name in here), default=0.0)
    agreement = 1.0
    if has_classes(contract):
        agreement = float(np.mean(predicted(contract, here) == predicted(contract, elsewhere)))
    return Sameness(steps=steps, relative_error=relative_error(here, elsewhere), agreement=agreement)


def relative_error(source: Outputs, variant: Outputs) -> float:
    """The greatest difference of float outputs over the greatest magnitude; NOT_ALIKE where shapes or NaN differ."""
    worst = 0.0
    for name, wanted in source.items():
        given = variant[name]
        if given.shape != wanted.shape or not np.array_equal(np.isfinite(given), np.isfinite(wanted)):
            return NOT_ALIKE
        if wanted.dtype.kind == "f" and wanted.size:
            scale = max(float(np.abs(wanted).max()), 1e-12)
            worst = max(worst, float(np.abs(given.astype(np.float64) - wanted).max()) / scale)
    return worst


def has_classes(contract: Contract) -> bool:
    """Whether a model names a class for each row."""
    return any(contract.output_of(kind) is not None for kind in (Kind.LABEL, Kind.SCORES))


def _steps(here: np.ndarray, elsewhere: np.ndarray) -> float:
    if here.shape != elsewhere.shape:
        return NOT_ALIKE
    if here.dtype.kind != "f" or not here.size:
        return 0.0
    if not (np.isfinite(here).all() and np.isfinite(elsewhere).all()):
        return NOT_ALIKE
    step = max(float(np.ptp(here.astype(np.float64))) / 255, 1e-12)
    return float(np.abs(here.astype(np.float64) - elsewhere).max()) / step
