"""How far a variant may stray from its source. Pure: arrays in, verdict out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.optimize.model import Parity, Precision

MAX_RELATIVE_ERROR = 1e-4
MIN_AGREEMENT = 0.98

Outputs = Mapping[str, np.ndarray]


def judge(
    precision: Precision, contract: Contract, source: Outputs, variant: Outputs, *, drop: float, max_drop: float
) -> Parity:
    """Compare the outputs of variant and source on the same rows. `drop` is the accuracy that the variant lost.

    fp32: every float output within MAX_RELATIVE_ERROR of the source's, relative to its greatest magnitude.
    int8: the same class on at least MIN_AGREEMENT of the rows, and an accuracy at most `max_drop` lower.
    """
    if precision is Precision.FP32:
        error = relative_error(source, variant)
        return Parity(
            value=error,
            is_kept=error <= MAX_RELATIVE_ERROR,
            reason=f"outputs differ by at most {error:.1e} of the source's range (allowed: {MAX_RELATIVE_ERROR:.0e})",
        )
    agreement = float(np.mean(predicted(contract, source) == predicted(contract, variant)))
    return Parity(
        value=agreement,
        is_kept=agreement >= MIN_AGREEMENT and drop <= max_drop + 1e-9,
        reason=(
            f"agrees with the source on {agreement:.1%} of the hold-out (at least {MIN_AGREEMENT:.0%}), "
            f"accuracy {-drop * 100:+.2f} points (at least {-max_drop * 100:+.2f})"
        ),
    )


def relative_error(source: Outputs, variant: Outputs) -> float:
    """The greatest difference of float outputs over the greatest magnitude; infinite where shapes or NaN differ."""
    worst = 0.0
    for name, wanted in source.items():
        given = variant[name]
        if given.shape != wanted.shape or not np.array_equal(np.isfinite(given), np.isfinite(wanted)):
            return float("inf")
        if wanted.dtype.kind == "f" and wanted.size:
            scale = max(float(np.abs(wanted).max()), 1e-12)
            worst = max(worst, float(np.abs(given.astype(np.float64) - wanted).max()) / scale)
    return worst


def predicted(contract: Contract, outputs: Outputs) -> np.ndarray:
    """The class of each row: the LABEL output, or the place of the highest of the SCORES."""
    if (label := contract.output_of(Kind.LABEL)) is not None:
        return outputs[label.name].reshape(-1)
    scores = contract.output_of(Kind.SCORES)
    assert scores is not None  # noqa: S101 (the service refuses models that name no class)
    found: np.ndarray = outputs[scores.name].argmax(axis=-1).reshape(-1)
    return found
