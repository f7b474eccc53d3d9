"""The golden self-test: known inputs give known outputs on this device's own runtime, within tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.contract.arrays import decode
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import Tolerance
from edgewright.contract.report import GoldenResult
from edgewright.contract.tensors import Contract, Kind, TensorSpec

IN, OUT = "in:", "out:"
LARGEST_ERROR = float(np.finfo(np.float32).max)  # stands for "not a number" where JSON knows none

Arrays = Mapping[str, np.ndarray]


def read_golden(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The golden inputs and outputs by name. Raises HostileInput."""
    try:
        arrays = decode(path.read_bytes())
    except (OSError, HostileInput) as error:
        raise HostileInput(f"{path.name} is no file of golden arrays: {error}", field="files") from error
    inputs = {name.removeprefix(IN): array for name, array in arrays.items() if name.startswith(IN)}
    outputs = {name.removeprefix(OUT): array for name, array in arrays.items() if name.startswith(OUT)}
    if not inputs or not outputs:
        raise HostileInput(f"{path.name} holds no golden inputs, or no outputs", field="files")
    return inputs, outputs


def compare(contract: Contract, tolerance: Tolerance, found: Arrays, golden: Arrays) -> tuple[GoldenResult, str]:
    """Hold `found` to the `golden` outputs; the second is why it failed, or ''.

    Floats must lie within atol + rtol * |golden|; classes (labels, and the best of the scores) must agree in at
    least `min_argmax_agreement` of the rows. What is not finite fails.
    """
    largest_error, agreement, reasons = 0.0, 1.0, []
    for spec in contract.outputs:
        got, wanted = found.get(spec.name), golden.get(spec.name)
        if got is None or wanted is None or got.shape != wanted.shape:
            shapes = f"{None if got is None else got.shape} for {None if wanted is None else wanted.shape}"
            reasons.append(f"{spec.name}: not the golden shape ({shapes})")
            continue
        if got.dtype.kind == "f" and spec.kind is not Kind.LABEL:
            error, why = _float_error(spec, tolerance, got.astype(np.float64), wanted.astype(np.float64))
            largest_error = max(largest_error, error)
            reasons += why
        if spec.kind in (Kind.LABEL, Kind.SCORES):
            agreement = min(agreement, _agreement(spec, got, wanted))
    if agreement < tolerance.min_argmax_agreement:
        reasons.append(f"classes agree in {agreement:.1%} of the rows, {tolerance.min_argmax_agreement:.1%} are needed")
    result = GoldenResult(passed=not reasons, max_error=largest_error, argmax_agreement=agreement)
    return result, "golden self-test: " + "; ".join(reasons) if reasons else ""


def _float_error(
    spec: TensorSpec, tolerance: Tolerance, got: np.ndarray, wanted: np.ndarray
) -> tuple[float, list[str]]:
    if not np.isfinite(got).all():
        return LARGEST_ERROR, [f"{spec.name}: {int((~np.isfinite(got)).sum())} values are not finite"]
    error = np.abs(got - wanted)
    excess = error / np.maximum(tolerance.atol + tolerance.rtol * np.abs(wanted), np.finfo(np.float64).tiny)
    worst = float(error.max(initial=0.0))
    if np.all(excess <= 1.0):
        return worst, []
    return min(worst, LARGEST_ERROR), [
        f"{spec.name}: off by {worst:.3g}, {float(excess.max()):.3g} times the tolerance"
    ]


def _agreement(spec: TensorSpec, got: np.ndarray, wanted: np.ndarray) -> float:
    if spec.kind is Kind.SCORES:
        got, wanted = got.argmax(axis=-1), wanted.argmax(axis=-1)
    return float(np.mean(got == wanted)) if got.size else 0.0
